// A development cluster as `coterie up` starts it: from its cluster page anybody may kill a node
// and start it again. Run by `./dev web test`.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { pause, until } from '../../tests/providers/cluster.mjs'
import { closeBrowser, complaints, openBrowser, pictures, Writer } from './writer.mjs'

const program = path.join(path.dirname(process.env.COTERIE_NODE_PROGRAM ?? ''), 'coterie')
const webRoot = fileURLToPath(new URL('../dist', import.meta.url))

let folder
let launcher
let nodes

// Ports that are free now; `up` says when they are not any more.
async function launch() {
  for (let attempt = 0; attempt < 20; ++attempt) {
    const port = 20_000 + 10 * Math.floor(Math.random() * 3_000)
    const up = spawn(program, ['up', '--json', '--data', path.join(folder, 'data'), '--web-root',
      webRoot, '--grpc-port', port, '--http-port', port + 300].map(String),
    { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    up.stdout.on('data', (piece) => { output += piece })
    up.stderr.on('data', (piece) => { errors += piece })
    await until('the cluster serves', () => up.exitCode !== null || output.includes('\n'), 40_000)
    if (up.exitCode === null) return { up, nodes: JSON.parse(output).nodes, said: () => errors }
    if (!/in use/.test(errors)) throw new Error(errors)
  }
  throw new Error('no ports are free')
}

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'coterie-launcher-'))
  launcher = await launch()
  nodes = launcher.nodes.map((node) => `http://${node.http_address}`)
  await openBrowser()
})
after(async () => {
  await closeBrowser()
  const ended = new Promise((resolve) => launcher.up.once('exit', resolve))
  launcher.up.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true, force: true })
})

async function call(node, method, request, token) {
  const answer = await fetch(`${node}/coterie.v1.${method}`, {
    method: 'POST', body: JSON.stringify(request),
    headers: { 'content-type': 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}) },
  })
  return answer.json()
}

test('the leader is stopped on the cluster page while both type: nothing is lost or doubled',
  async () => {
    const { token } = await call(nodes[0], 'AuthService/Login', { user: 'mia' })
    const leader = Number((await call(nodes[0], 'ClusterService/GetStatus', {}, token)).leaderId)
    const mia = await Writer.at(nodes[leader - 1], 'mia') // Her own node is the one that dies.
    const tom = await Writer.at(nodes[leader % 3], 'tom')
    await mia.create('race')
    await tom.open('race')
    const page = await tom.context.newPage()
    await page.setViewportSize({ width: 1100, height: 900 })
    await page.goto(`${tom.base}/#/cluster`)
    await page.getByText('3 of 3 voters here').waitFor()

    const small = 'abcdefghijklmnopqrstuvwxyz'.repeat(12)
    const typing = [mia.type(small, 12), tom.type(small.toUpperCase(), 12)]
    await pause(1_200)
    await page.getByRole('button', { name: `Stop n${leader}` }).click()
    await page.getByText(new RegExp(`n[1-3] leads in term \\d+`)).first().waitFor()
    await page.getByText('2 of 3 voters here').waitFor()
    const happened = page.getByRole('list', { name: 'What happened, the newest first' })
    await happened.getByText(/^.*n[1-3] asks for votes in term \d+$/).first().waitFor()
    await happened.getByText(/n[1-3] votes for n[1-3], in term \d+/).first().waitFor()
    await happened.getByText(
      /leads in term \d+, after \d\.\d\d s without a leader/).first().waitFor()
    await happened.getByText(`n${leader} does not answer the leader`).first().waitFor()
    await page.getByText(/Last election: n[1-3] for term \d+\..* It was elected\./).waitFor()
    // Two votes, and two lines to the one that is gone.
    assert.equal(await page.locator('.picture .vote-granted').count(), 2)
    await until('its lines are cut', async () => await page.locator('.link-cut').count() === 2)
    await page.getByRole('button', { name: `Start n${leader}` }).waitFor()
    if (pictures) await page.screenshot({ path: `${pictures}/cluster-stopped.png` })
    await Object.assign(new Writer(), { page }).assertAccessible('cluster')
    await Promise.all(typing)
    await mia.untilStatus(/Saved/, 20_000)
    await tom.untilStatus(/Saved/, 20_000)
    await until('both have the same text', async () => await mia.text() === await tom.text())

    const text = await mia.text()
    assert.equal(text.replace(/[^a-z]/g, ''), small)
    assert.equal(text.replace(/[^A-Z]/g, ''), small.toUpperCase())
    assert.equal(text.length, 2 * small.length)
    const stored = await call(nodes[leader % 3], 'DocumentService/GetDocument',
      { document: { name: 'race' } }, token)
    assert.equal(stored.text, text)

    await page.getByRole('button', { name: `Start n${leader}` }).click()
    await page.getByText('3 of 3 voters here').waitFor({ timeout: 20_000 })
    await tom.type('!')
    await until('latency is shown', async () => /edit to commit[\d.]+ ms/.test(
      await page.locator('.cards').textContent()))
    await page.evaluate(() => { document.documentElement.dataset.theme = 'dark' })
    if (pictures) await page.screenshot({ path: `${pictures}/cluster-dark.png` })
    await page.setViewportSize({ width: 390, height: 844 })
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390)
    if (pictures) await page.screenshot({ path: `${pictures}/cluster-phone.png` })
    assert.match(launcher.said(), new RegExp(`n${leader} was killed from the cluster page`))
    await mia.close()
    await tom.close()
  })

test('who comes from another page, or does not know the token, stops nothing', async () => {
  const { control } = await (await fetch(`${nodes[0]}/nodes.json`)).json()
  assert.match(control, /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{48}$/)
  const ask = async (url, headers = {}) =>
    (await fetch(url, { method: 'POST', headers })).status
  const { origin } = new URL(control)
  assert.equal(await ask(`${origin}/${'0'.repeat(48)}/nodes/1/kill`), 404)
  assert.equal(await ask(`${control}/nodes/1/kill`, { origin: 'http://evil.example' }), 403)
  assert.equal(await ask(`${control}/nodes/9/kill`), 200) // There is no such node.
  const answer = await fetch(`${control}/nodes`, { headers: { origin: nodes[1] } })
  assert.deepEqual((await answer.json()).nodes.map((node) => node.isRunning), [true, true, true])
  assert.equal(answer.headers.get('access-control-allow-origin'), nodes[1])
})

test('a secure cluster has no such ear', async () => {
  const arguments_ = ['--id', '1', '--cluster-id', '7', '--data', path.join(folder, 'secure'),
    '--listen', '127.0.0.1:1', '--peer-listen', '127.0.0.1:2', '--founder',
    '1=127.0.0.1:2=127.0.0.1:1', '--http-listen', '127.0.0.1:3', '--control',
    'http://127.0.0.1:9/ab']
  const run = (more) => new Promise((resolve) => execFile(process.env.COTERIE_NODE_PROGRAM,
    [...arguments_, ...more], (error, _, stderr) => resolve({ code: error?.code, stderr })))
  const { code, stderr } = await run(['--secure'])
  assert.notEqual(code, 0)
  assert.match(stderr, /--control/)
})

test('the policy refused nothing, and nothing failed', () => {
  assert.deepEqual(complaints, [])
})
