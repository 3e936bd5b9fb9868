// What becomes of what was typed, in a real browser: pages that close in the same moment, tabs,
// people who share a browser, documents whose pages nobody opens again, and a page that lacks a
// file. Run by `./dev web test`.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { test } from 'node:test'

import { pause, until } from '../../tests/providers/cluster.mjs'
import { cluster, setTheStage, writerAt } from './stage.mjs'
import { complaints } from './writer.mjs'

setTheStage()
const keepsPage = (writer) =>
  writer.page.evaluate(() => navigator.serviceWorker.ready.then(() => true))
async function goOffline(writer) {
  await keepsPage(writer)
  await writer.context.setOffline(true)
  await writer.untilStatus(/Offline/)
}
const goToDocuments = async (writer) => {
  await writer.page.getByRole('link', { name: 'Documents', exact: true }).click()
  await writer.page.getByRole('heading', { name: 'Documents' }).waitFor()
}
const stored = async (name) => {
  const token = await cluster.login('mia')
  return (await cluster.call('DocumentService/GetDocument', { document: { name } }, { token })).text
}

test('a page that is gone in the moment of the last letter has kept it', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('last letter')
  await goOffline(mia)
  await mia.type('all but the last lette')
  await mia.untilStatus(/kept here/)
  await pause(300)
  for (const letter of ['r', '!', '?']) {
    await mia.content.evaluate((element, typed) => {
      element.focus()
      document.execCommand('insertText', false, typed)
      location.reload()
    }, letter)
    await mia.page.waitForEvent('load').catch(() => undefined)
    await mia.untilText('all but the last lette')
    await mia.content.focus()
    await mia.page.keyboard.press('Control+End')
  }
  assert.equal([...await mia.text()].sort().join(''),
    [...'all but the last letter!?'].sort().join(''))
  await mia.close()
})

test('edits of a page that was closed are sent when there is a node, without opening it', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('posted')
  await goOffline(mia)
  await mia.type('written on the train')
  await mia.untilStatus(/kept here/)
  await goToDocuments(mia)
  await mia.page.getByText(/on this device alone: your edits of posted/).waitFor()
  await mia.page.getByText('These are on this device').waitFor()
  await mia.page.locator('.row').getByRole('link', { name: 'posted', exact: true }).waitFor()
  await mia.picture('unsent')
  await mia.assertAccessible('what is not sent yet')
  await mia.page.close()
  mia.page = await mia.context.newPage()
  await mia.context.setOffline(false)
  await mia.page.goto(mia.base)
  await until('it is sent', async () => await stored('posted') === 'written on the train', 30_000)
  await until('and said to be', async () =>
    await mia.page.getByText('on this device alone').count() === 0)
  await mia.close()
})

test('what one wrote in a document that is gone can be taken along', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('gone')
  await goOffline(mia)
  await mia.type('much work')
  await mia.untilStatus(/kept here/)
  const token = await cluster.login('mia')
  await cluster.call('DocumentService/DeleteDocument', { document: { name: 'gone' } }, { token })
  await mia.context.setOffline(false)
  await mia.untilStatus(/Closed: /)
  await mia.page.reload()
  await mia.page.getByRole('alert').getByText(/no document/).waitFor()
  await goToDocuments(mia)
  const offer = mia.page.getByRole('region', { name: 'What you wrote in gone' })
  const downloading = mia.page.waitForEvent('download')
  await offer.getByRole('button', { name: 'Export' }).click()
  const download = await downloading
  assert.equal(download.suggestedFilename(), 'gone.md')
  assert.equal(readFileSync(await download.path(), 'utf8'), 'much work')
  await mia.picture('gone')
  await mia.assertAccessible('what is left of a document')
  mia.page.on('dialog', (dialog) => void dialog.accept())
  await offer.getByRole('button', { name: 'Throw away' }).click()
  await offer.waitFor({ state: 'detached' })
  await mia.close()
})

test('leaving a document loses nothing where the browser keeps nothing', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.context.addInitScript(() => {
    Object.defineProperty(globalThis, 'indexedDB', { value: {
      open() { throw new globalThis.DOMException('not here', 'SecurityError') },
    } })
  })
  await mia.page.reload()
  await mia.create('nowhere')
  await goOffline(mia)
  await mia.type('in this tab. ')
  await mia.untilStatus(/kept in this tab only/)
  await goToDocuments(mia)
  await mia.page.evaluate(() => { location.hash = '#/d/nowhere' })
  await mia.untilText('in this tab.')
  await goToDocuments(mia)
  await mia.context.setOffline(false)
  await until('it is sent', async () => await stored('nowhere') === 'in this tab. ', 30_000)
  await mia.close()
})

test('a tab whose writer logs out in another tab is nobody\'s, and then the next one\'s', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('whose')
  const other = await mia.context.newPage()
  await other.goto(mia.base)
  await other.getByRole('heading', { name: 'Documents' }).waitFor()
  await other.getByRole('button', { name: 'Log out' }).click()
  await mia.page.getByLabel('Your name').waitFor()
  await other.getByLabel('Your name').fill('tom')
  await other.getByRole('button', { name: 'Start writing' }).click()
  await mia.page.getByRole('button', { name: 'Log out' }).waitFor()
  assert.equal(await mia.page.getByRole('button', { name: 'Log out' }).getAttribute('title'),
    'Logged in as tom')
  await mia.close()
})

test('who logs out is told what is on this device alone, and finds it again', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('left here')
  await goOffline(mia)
  await mia.type('for later')
  await mia.untilStatus(/kept here/)
  const questions = []
  let answer = 'dismiss'
  mia.page.on('dialog', (dialog) => {
    questions.push(dialog.message())
    void dialog[answer]()
  })
  await mia.page.getByRole('button', { name: 'Log out' }).click()
  await until('it asks', async () => questions.length === 1)
  assert.match(questions[0], /“left here”/)
  await mia.untilText('for later')
  answer = 'accept'
  await mia.page.getByRole('button', { name: 'Log out' }).click()
  await mia.page.getByLabel('Your name').waitFor({ timeout: 60_000 })
  await mia.context.setOffline(false)
  const enter = async (name) => {
    await mia.page.getByLabel('Your name').fill(name)
    await mia.page.getByRole('button', { name: 'Start writing' }).click()
    await mia.page.getByRole('heading', { name: 'Documents' }).waitFor()
  }
  await enter('tom') // On the same browser: it is none of his.
  await mia.page.getByRole('link', { name: 'left here' }).waitFor()
  assert.equal(await mia.page.getByText('on this device alone').count(), 0)
  await mia.open('left here')
  assert.equal(await mia.text(), '')
  await mia.page.getByRole('button', { name: 'Log out' }).click()
  await enter('mia')
  await until('it is sent', async () => await stored('left here') === 'for later', 30_000)
  await mia.close()
})

// What a node serves, from an address of its own; at times a newer index, or nothing at all.
async function openStand(from) {
  const stand = { newer: null, isGone: false }
  const server = http.createServer(async (request, response) => {
    if (stand.isGone) return request.socket.destroy()
    const { pathname } = new URL(request.url, from)
    if (stand.newer && /^\/(index.html)?$/.test(pathname)) {
      return response.setHeader('content-type', 'text/html').end(stand.newer)
    }
    const answer = await fetch(`${from}${pathname}`)
    response.setHeader('content-type', answer.headers.get('content-type') ?? 'text/plain')
    response.statusCode = answer.status
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  server.unref()
  stand.url = `http://127.0.0.1:${server.address().port}/`
  stand.close = () => server.close()
  return stand
}

test('an index whose script does not come is not kept in place of a whole page', async () => {
  const mia = await writerAt(0, 'mia')
  const stand = await openStand(mia.base)
  const page = await mia.context.newPage()
  await page.goto(stand.url)
  await page.getByLabel('Your name').waitFor()
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true))
  await page.reload()
  await page.getByLabel('Your name').waitFor()
  stand.newer = (await (await fetch(mia.base)).text()).replace(/app-0/, 'app-1')
  await page.reload()
  await pause(1_000)
  assert.equal(await page.getByLabel('Your name').count(), 0, 'that page is not whole')
  stand.isGone = true
  await page.reload()
  await page.getByLabel('Your name').waitFor()
  stand.close()
  await mia.close()
})

test('the policy refused nothing, nothing failed, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
