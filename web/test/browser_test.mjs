// The writer's page in real Chromium windows on different nodes of a real cluster; run by
// `./dev web test`.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { pause, until } from '../../tests/providers/cluster.mjs'
import { closeBrowser, complaints, openBrowser, pictures, startCluster, Writer } from './writer.mjs'

let cluster

before(async () => {
  cluster = await startCluster()
  await openBrowser()
})
after(async () => {
  await closeBrowser()
  await cluster?.stop()
})

const writerAt = (index, name, options) => Writer.at(cluster.url(index, 'http'), name, options)

async function pair(document) {
  const mia = await writerAt(0, 'mia')
  const tom = await writerAt(1, 'tom')
  await mia.create(document)
  await tom.open(document)
  return { mia, tom, close: () => Promise.all([mia.close(), tom.close()]) }
}

test('what one types the other sees, with a caret, a name and a count of words', async () => {
  const { mia, tom, close } = await pair('notes.md')
  await mia.type('# Plan\n\nhello *brave* world')
  await tom.untilText('hello *brave* world')
  await mia.untilStatus(/Saved on a majority/)
  await tom.page.locator('.peer-label', { hasText: 'mia' }).waitFor({ state: 'attached' })
  await tom.type(' and more')
  await mia.untilText('world and more')
  await mia.page.locator('.peer-label', { hasText: 'tom' }).waitFor({ state: 'attached' })
  await mia.page.getByText('6 words').waitFor()
  assert.equal(await mia.page.locator('.avatar').count(), 2)

  await mia.page.getByRole('button', { name: 'Preview' }).click()
  await mia.page.locator('.prose h1', { hasText: 'Plan' }).waitFor()
  await mia.page.locator('.prose em', { hasText: 'brave' }).waitFor()
  await mia.picture('editor')
  await mia.assertAccessible('editor')
  await mia.page.evaluate(() => { document.documentElement.dataset.theme = 'dark' })
  await mia.picture('editor-dark')
  await mia.assertAccessible('editor, dark')
  await close()
})

test('nothing that somebody typed becomes HTML', async () => {
  const { mia, tom, close } = await pair('hostile')
  await mia.type('<img src=x onerror=alert(1)> [a](javascript:alert(1)) ')
  await mia.type('![p](http://example.invalid/p.png)')
  await tom.untilText('<img src=x')
  await tom.page.getByRole('button', { name: 'Preview' }).click()
  await tom.page.locator('.prose', { hasText: '<img src=x' }).waitFor()
  assert.equal(await tom.page.locator('.prose img').count(), 0)
  assert.equal(await tom.page.locator('.prose a[href^="javascript"]').count(), 0)
  await close()
})

test("a lock makes the other's editor read-only until it is released", async () => {
  const { mia, tom, close } = await pair('locked')
  await mia.page.getByRole('button', { name: 'Lock', exact: true }).click()
  await tom.untilStatus(/Read-only: locked by mia until/)
  assert.match(await tom.page.locator('.countdown').textContent(), /^[12]:\d\d$/)
  await tom.picture('locked')
  await tom.type('refused')
  assert.equal(await tom.text(), '')
  await mia.type('mine')
  await tom.untilText('mine')
  await mia.page.getByRole('button', { name: 'Unlock' }).click()
  await tom.untilStatus(/Saved/)
  await tom.type(' and yours')
  await mia.untilText('mine and yours')
  await close()
})

test('what is typed offline while another locks becomes a draft, and is merged by hand', async () => {
  const { mia, tom, close } = await pair('drafted')
  await mia.type('both. ')
  await tom.untilText('both.')
  await tom.context.setOffline(true)
  await tom.untilStatus(/Offline/)
  await mia.page.getByRole('button', { name: 'Lock', exact: true }).click()
  await mia.type('hers. ')
  await tom.type('his. ')

  await tom.context.setOffline(false)
  await tom.untilStatus(/your changes are kept as a draft: locked by mia until/, 15_000)
  const offer = tom.page.getByRole('region', { name: 'Your draft' })
  assert.match(await offer.textContent(), /You have a draft from .*, kept until/)
  assert.ok(await offer.getByRole('button', { name: 'Merge' }).isDisabled())
  await tom.untilText('hers.')
  assert.equal(await tom.text(), await mia.text(), 'he sees what is there')
  await offer.getByRole('button', { name: 'Show' }).click()
  await offer.getByText('+ his.').waitFor()
  await tom.picture('draft')
  await tom.assertAccessible('a draft')
  await mia.page.getByRole('region', { name: 'The draft of tom' }).waitFor()

  await tom.page.reload() // Nothing of it comes back from this device's copy.
  await tom.untilStatus(/kept as a draft/, 15_000)
  await mia.page.getByRole('button', { name: 'Unlock' }).click()
  await tom.untilStatus(/Saved/)
  await pause(300)
  assert.equal(await mia.text(), 'both. hers. ', 'nothing is merged by itself')
  await offer.getByRole('button', { name: 'Merge' }).click()
  for (const writer of [mia, tom]) {
    // Both wrote behind the same letter: whose comes first depends on their random client ids.
    await writer.untilText('his.')
    await writer.untilText('hers.')
  }
  await offer.waitFor({ state: 'detached' })
  await tom.type('again.')
  await mia.untilText('again.')
  assert.equal(await mia.text(), await tom.text())
  await close()
})

test('a draft is thrown away when its writer says so', async () => {
  const { mia, tom, close } = await pair('discarded')
  await tom.context.setOffline(true)
  await tom.untilStatus(/Offline/)
  await mia.page.getByRole('button', { name: 'Lock', exact: true }).click()
  await tom.type('never mind')
  await tom.context.setOffline(false)
  const offer = tom.page.getByRole('region', { name: 'Your draft' })
  await offer.waitFor({ timeout: 15_000 })
  tom.page.on('dialog', (dialog) => dialog.accept())
  await offer.getByRole('button', { name: 'Discard' }).click()
  await offer.waitFor({ state: 'detached' })
  await tom.untilStatus(/Read-only: locked by mia until [^–]*$/)
  await mia.page.getByRole('button', { name: 'Unlock' }).click()
  await tom.untilStatus(/Saved/)
  assert.equal(await tom.text(), '')
  await close()
})

test('an earlier version is shown beside today and restored', async () => {
  const { mia, tom, close } = await pair('old')
  await mia.type('first words')
  await mia.untilStatus(/Saved/)
  await tom.untilText('first words')
  await tom.type(', later words')
  await tom.untilStatus(/Saved/)
  await mia.untilText(', later words')
  await mia.page.getByRole('button', { name: 'History' }).click()
  await mia.page.locator('.version', { hasText: 'tom' }).first().waitFor()
  await mia.page.locator('.version', { hasText: 'mia' }).first().click()
  await mia.page.locator('.line-removed', { hasText: 'later words' }).waitFor()
  await mia.picture('history')
  await mia.assertAccessible('history')
  await mia.page.getByRole('button', { name: 'Restore this version' }).click()
  await until('both have the old text', async () =>
    await mia.text() === 'first words' && await tom.text() === 'first words')
  await close()
})

test('a history of more than 500 versions is read page by page', async () => {
  const tokens = [await cluster.login('mia'), await cluster.login('tom')]
  const document = { name: 'long history' }
  await cluster.call('DocumentService/CreateDocument', document, { token: tokens[0] })
  for (let i = 0; i < 520; ++i) { // In turns, so that each is a line of its own.
    await cluster.call('DocumentService/AppendDocument', { document, text: `${i}\n` },
      { token: tokens[i % 2] })
  }
  const mia = await writerAt(0, 'mia')
  await mia.open('long history')
  await mia.page.getByRole('button', { name: 'History' }).click()
  const lines = mia.page.locator('.version time')
  await until('the newest are listed', async () => await lines.count() === 500)
  await mia.page.getByRole('button', { name: 'Older versions…' }).click()
  const { versions } = await cluster.call('DocumentService/ListVersions',
    { document, limit: 1000 }, { token: tokens[0] })
  assert.ok(versions.length >= 520)
  await until(`all ${versions.length} are listed`, async () =>
    await lines.count() === versions.length)
  assert.equal(await mia.page.getByRole('button', { name: 'Older versions…' }).count(), 0)
  await mia.page.locator('.version').last().click()
  await mia.page.locator('.line-removed', { hasText: '519' }).waitFor()
  await mia.close()
})

test('a document that is renamed stays open under its new name, also for who was away', async () => {
  const { mia, tom, close } = await pair('old name')
  await mia.type('one ')
  await tom.untilText('one')
  await tom.context.setOffline(true)
  await tom.untilStatus(/Offline/)
  await tom.type('two ')
  const token = await cluster.login('mia')
  await cluster.call('DocumentService/RenameDocument',
    { document: { name: 'old name' }, newName: 'new/name ü' }, { token })
  await mia.page.getByRole('heading', { name: 'new/name ü' }).waitFor()
  await mia.type('three ')
  await mia.untilStatus(/Saved/)
  assert.equal(new URL(mia.page.url()).hash, `#/d/${encodeURIComponent('new/name ü')}`)
  await tom.context.setOffline(false)
  await tom.untilStatus(/Saved/)
  await tom.page.getByRole('heading', { name: 'new/name ü' }).waitFor()
  await until('both have all', async () =>
    await mia.text() === await tom.text() && (await mia.text()).length === 'one two three '.length)
  await mia.page.reload()
  await mia.untilText('three')
  await mia.untilStatus(/Saved/)
  await close()
})

test('a viewer only reads, from the moment that the owner says so', async () => {
  const { mia, tom, close } = await pair('shared')
  await mia.page.getByRole('button', { name: 'Share' }).click()
  await mia.page.getByLabel('Role of everybody else').selectOption('ROLE_VIEWER')
  await tom.untilStatus(/^Read-only$/)
  await mia.assertAccessible('share')
  await mia.page.getByLabel('Role of everybody else').selectOption('ROLE_EDITOR')
  await tom.untilStatus(/Saved/)
  await close()
})

test('what is typed offline is kept, survives a reload and is merged', async () => {
  const { mia, tom, close } = await pair('travel')
  await mia.type('both. ')
  await tom.untilText('both.')
  await mia.page.evaluate(() => navigator.serviceWorker.ready.then(() => true))
  await mia.context.setOffline(true)
  await mia.untilStatus(/Offline/)
  await mia.type('away. ')
  await mia.untilStatus(/Offline – \d+ edits? kept here/)
  await mia.picture('offline')
  await tom.type('home. ')
  await pause(300) // IndexedDB writes behind the typing.
  await mia.page.reload()
  await mia.untilText('both. away.')
  await mia.context.setOffline(false)
  await mia.untilStatus(/Saved/, 15_000)
  await tom.untilText('away.')
  await mia.untilText('home.')
  assert.equal(await mia.text(), await tom.text())
  await close()
})

test('what is kept of a deleted document is not merged into its successor', async () => {
  const { mia, tom, close } = await pair('again')
  await mia.type('of the first one')
  await tom.untilText('of the first one')
  await tom.untilStatus(/Saved/)
  const token = await cluster.login('mia')
  await tom.context.setOffline(true)
  await tom.untilStatus(/Offline/)
  await cluster.call('DocumentService/DeleteDocument', { document: { name: 'again' } }, { token })
  await mia.untilStatus(/Closed: /)
  await cluster.call('DocumentService/CreateDocument', { name: 'again', text: 'new' }, { token })
  await tom.context.setOffline(false)
  await tom.untilStatus(/Closed: another document/)
  assert.equal(await tom.text(), 'of the first one')
  await tom.page.getByRole('button', { name: 'Try again' }).click()
  await tom.untilText('new')
  await tom.untilStatus(/Saved/)
  assert.equal(await tom.text(), 'new')
  await close()
})

test('the leader is killed while both type: no character is lost or doubled', async () => {
  const token = await cluster.login('mia')
  const leader = await cluster.leader(token)
  const mia = await writerAt(leader, 'mia') // Her own node is the one that dies.
  const tom = await writerAt((leader + 1) % 3, 'tom')
  await mia.create('race')
  await tom.open('race')
  const watcher = await tom.context.newPage()
  await watcher.goto(`${tom.base}/#/cluster`)
  await watcher.getByText('3 of 3 voters here').waitFor()

  const small = 'abcdefghijklmnopqrstuvwxyz'.repeat(12)
  const typing = [mia.type(small, 8), tom.type(small.toUpperCase(), 8)]
  await pause(900)
  await cluster.kill(leader)
  await Promise.all(typing)
  await mia.untilStatus(/Saved/, 20_000)
  await tom.untilStatus(/Saved/, 20_000)
  await until('both have the same text', async () => await mia.text() === await tom.text())

  const text = await mia.text()
  assert.equal(text.replace(/[^a-z]/g, ''), small)
  assert.equal(text.replace(/[^A-Z]/g, ''), small.toUpperCase())
  assert.equal(text.length, 2 * small.length)
  const other = cluster.nodes.findIndex((node) => node.process !== null)
  const stored = await cluster.call('DocumentService/GetDocument', { document: { name: 'race' } },
    { token, index: other })
  assert.equal(stored.text, text)
  assert.ok(await mia.status.getAttribute('title') !== `Node ${mia.base}`, 'she has moved')
  await watcher.getByText('2 of 3 voters here').waitFor()
  await watcher.getByText(/leads in term/).first().waitFor()
  if (pictures) await watcher.screenshot({ path: `${pictures}/cluster.png` })
  await mia.picture('after-the-kill')
  await mia.close()
  await tom.close()
  await cluster.restart(leader)
})

test('without a majority nothing is called saved, and nothing is lost', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('alone')
  await mia.type('before. ')
  await mia.untilStatus(/Saved/)
  await Promise.all([cluster.kill(1), cluster.kill(2)])
  await mia.type('meanwhile. ')
  await mia.untilStatus(/^(No majority answers|Offline) – \d+ edits? kept here$/, 15_000)
  await pause(2_000)
  assert.doesNotMatch(await mia.status.textContent(), /Saved/)
  await mia.picture('no-majority')
  await cluster.restart(1)
  await mia.untilStatus(/Saved/, 20_000)
  await cluster.restart(2)
  const tom = await writerAt(2, 'tom')
  await tom.open('alone')
  await tom.untilText('before. meanwhile.')
  await mia.close()
  await tom.close()
})

test('the policy refused nothing, nothing failed, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
