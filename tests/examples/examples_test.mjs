// The examples, built and run against a real cluster of three nodes, each in two Chromium windows on
// two nodes, from a port of their own: what one types the other sees. Run by ctest;
// COTERIE_NODE_PROGRAM says which coterie-node.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { Cluster, until } from '../providers/cluster.mjs'

const run = promisify(execFile)
const examples = fileURLToPath(new URL('../../examples/', import.meta.url))
// The browser's driver is one of the writer's page's packages.
const require = createRequire(new URL('../../web/package.json', import.meta.url))
const { chromium } = require('playwright-core')

const kTypes = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript',
  '.css': 'text/css' }

// As `python3 -m http.server` does.
async function serve(folder) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const file = path.join(folder, pathname === '/' ? 'index.html' : path.normalize(pathname))
    readFile(file).then((bytes) => {
      response.writeHead(200, { 'content-type': kTypes[path.extname(file)] ?? 'text/plain' })
      response.end(bytes)
    }, () => response.writeHead(404).end())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://localhost:${server.address().port}`, close: () => server.close() }
}

let cluster
let browser
let token

before(async () => {
  // As `coterie up` has it.
  cluster = await Cluster.start(3, { flags: ['--http-origin', 'http://localhost:*'] })
  token = await cluster.login('mia')
  browser = await chromium.launch({
    executablePath: process.env.COTERIE_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
})
after(async () => {
  await browser?.close()
  await cluster?.stop()
})

async function open(site, index, user, document) {
  const page = await browser.newPage()
  page.setDefaultTimeout(15_000)
  page.complaints = []
  page.on('pageerror', (error) => page.complaints.push(String(error)))
  const query = new URLSearchParams({ node: cluster.url(index, 'http'), user, document })
  await page.goto(`${site.url}/?${query}`)
  return page
}

const textOf = async (document) => (await cluster.call('DocumentService/GetDocument',
  { document: { name: document } }, { token })).text

// `input` is where one types, `shown` yields what the page shows.
async function writeTogether(folder, document, { input, shown }) {
  const site = await serve(folder)
  const mia = await open(site, 0, 'mia', document)
  const tom = await open(site, 1, 'tom', document)
  try {
    for (const page of [mia, tom]) await page.getByText(/^(Saved|connected)$/).waitFor()
    await mia.locator(input).first().click()
    await mia.keyboard.type('Written by Mia. ')
    await until('tom sees it', async () => (await shown(tom)).includes('Written by Mia.'))
    await tom.locator(input).first().click()
    await tom.keyboard.press('Control+End')
    await tom.keyboard.type('And by Tom.')
    await until('mia sees it', async () =>
      (await shown(mia)).includes('Written by Mia. And by Tom.'))
    assert.deepEqual([...mia.complaints, ...tom.complaints], [])
    return { mia, tom }
  } finally {
    await mia.close()
    await tom.close()
    site.close()
  }
}

const build = (example) => run('npm', ['run', '--silent', 'build'],
  { cwd: path.join(examples, example) })

test('tiptap', async () => {
  await build('tiptap')
  await writeTogether(path.join(examples, 'tiptap/public'), 'letter', {
    input: '.tiptap',
    shown: (page) => page.evaluate(() => {
      const copy = document.querySelector('.tiptap').cloneNode(true)
      copy.querySelectorAll('.collaboration-carets__caret').forEach((caret) => caret.remove())
      return copy.textContent.replaceAll('\u2060', '')
    }),
  })
})

test('monaco', async () => {
  await build('monaco')
  await writeTogether(path.join(examples, 'monaco/public'), 'code', {
    input: '.monaco-editor .view-lines',
    shown: (page) => page.evaluate(() =>
      document.querySelector('.view-lines').textContent.replaceAll('\u00a0', ' ')),
  })
  assert.match(await textOf('code'), /Written by Mia\. And by Tom\./)
})

test('plain', async () => {
  await writeTogether(path.join(examples, 'plain'), 'plain', {
    input: 'textarea', shown: (page) => page.locator('textarea').inputValue(),
  })
  assert.match(await textOf('plain'), /Written by Mia\. And by Tom\./)
})

// Somebody of that name has given it a password, which the examples do not know.
async function asSomebodyElse(folder) {
  const site = await serve(folder)
  await cluster.call('AuthService/Login', { user: 'eve', password: 'a word of hers' })
  const page = await open(site, 2, 'eve', 'refused')
  try {
    await page.getByRole('status').getByText(/^eve cannot log in at http:.*password/).waitFor()
    // Whatever is typed, it is not called saved, nor on its way.
    await page.waitForTimeout(1_000)
    await page.getByRole('status').getByText(/^eve cannot log in/).waitFor()
  } finally {
    await page.close()
    site.close()
  }
}

test('pages say who cannot log in', async () => {
  await asSomebodyElse(path.join(examples, 'plain'))
  for (const example of ['tiptap', 'monaco']) {
    await build(example)
    await asSomebodyElse(path.join(examples, example, 'public'))
  }
})

test('curl', async () => {
  const script = path.join(examples, 'curl/coterie.sh')
  const env = { ...process.env, COTERIE_URL: cluster.url(2, 'http'), COTERIE_USER: 'mia' }
  const call = async (...words) => JSON.parse((await run(script, words, { env })).stdout)
  const { documentId } = await call('create', 'a "quoted" name', 'one\ntwo\\')
  assert.ok(documentId)
  const watching = spawn(script, ['watch'], { env, detached: true })
  let seen = ''
  watching.stdout.on('data', (piece) => { seen += piece })
  await until('it watches', () => seen.includes('"revision"'))
  await call('append', 'a "quoted" name', ', three')
  const { text } = await call('read', 'a "quoted" name')
  assert.equal(text, 'one\ntwo\\, three')
  await until('the change is seen', () => seen.includes('"documentChanged"'))
  for (const line of seen.trim().split('\n')) JSON.parse(line)
  process.kill(-watching.pid)
  await assert.rejects(run(script, ['read', 'not there'], { env }), /not_found/)
  // The first error is the last: nothing is asked for without a token.
  await cluster.call('AuthService/Login', { user: 'adam', password: 'a word of his' })
  const adam = { ...env, COTERIE_USER: 'adam', COTERIE_PASSWORD: '' }
  await assert.rejects(run(script, ['read', 'a "quoted" name'], { env: adam }), (error) => {
    assert.equal(error.code, 1)
    assert.match(error.stderr, /WRONG_PASSWORD/)
    assert.equal(error.stderr.trim().split('\n').length, 1, error.stderr)
    return true
  })
  const read = await run(script, ['read', 'a "quoted" name'],
    { env: { ...adam, COTERIE_PASSWORD: 'a word of his' } })
  assert.equal(JSON.parse(read.stdout).text, text)
})
