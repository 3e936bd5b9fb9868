// What the page says when something is wrong with the document, the node or the page itself, in real
// Chromium windows on real nodes; run by `./dev web test`.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { until } from '../../tests/providers/cluster.mjs'
import { cluster, pair, setTheStage, writerAt } from './stage.mjs'
import { complaints } from './writer.mjs'

setTheStage()

const strip = (writer) => writer.page.locator('p.strip')

async function exported(writer) {
  const download = writer.page.waitForEvent('download')
  await strip(writer).getByRole('button', { name: 'Export' }).click()
  return readFileSync(await (await download).path(), 'utf8')
}

test('who loses the right to see a document in the middle of a word keeps a copy to export',
  async () => {
    const { mia, tom, close } = await pair('revoked')
    await mia.type('Of Mia. ')
    await tom.untilText('Of Mia.')
    await tom.type('Of Tom')
    await mia.untilText('Of Tom')
    const token = await cluster.login('mia')
    await cluster.call('DocumentService/ShareDocument',
      { document: { name: 'revoked' }, grant: { role: 'ROLE_NONE' } }, { token })
    await strip(tom).getByText(/You cannot go on here: it was deleted, or you may not see it/)
      .waitFor()
    await tom.page.keyboard.type('never')
    assert.equal(await tom.text(), 'Of Mia. Of Tom') // Read-only, and still there.
    assert.equal(await exported(tom), 'Of Mia. Of Tom')
    await tom.picture('revoked')
    await tom.assertAccessible('a document that one may not see any more')
    await tom.page.emulateMedia({ colorScheme: 'dark' })
    await tom.page.setViewportSize({ width: 390, height: 844 })
    await tom.picture('revoked-phone-dark')
    await strip(tom).getByRole('link', { name: 'Back to the documents' }).click()
    await tom.page.getByRole('heading', { name: 'Documents' }).waitFor()
    await mia.type('. Mia goes on.')
    await mia.untilStatus(/Saved/)
    await close()
  })

test('a document that is deleted while one writes in it can be exported', async () => {
  const { mia, tom, close } = await pair('deleted')
  await tom.type('Tom was here. ')
  await mia.untilText('Tom was here.')
  const token = await cluster.login('mia')
  await cluster.call('DocumentService/DeleteDocument', { document: { name: 'deleted' } }, { token })
  for (const writer of [mia, tom]) {
    await strip(writer).getByText(/You cannot go on here: it was deleted/).waitFor()
    assert.equal(await exported(writer), 'Tom was here. ')
  }
  await close()
})

test('a node that is restarted says so, and the page goes on with another without alarm',
  async () => {
    const { mia, tom, close } = await pair('moving')
    await mia.type('Before. ')
    await tom.untilText('Before.')
    // All that the pill says from now on.
    await mia.page.evaluate(() => {
      const pill = document.querySelector('.pill')
      globalThis.said = [pill.textContent]
      new globalThis.MutationObserver(() => globalThis.said.push(pill.textContent))
        .observe(pill, { subtree: true, childList: true, characterData: true })
    })
    cluster.nodes[0].process.kill('SIGTERM')
    await mia.page.getByText('This node is being restarted. Going on with another one.').waitFor()
    await mia.picture('moving')
    await mia.type('While it moves. ', 20)
    await tom.untilText('Before. While it moves.')
    await mia.untilStatus(/Saved/)
    const said = await mia.page.evaluate(() => globalThis.said)
    assert.equal(await strip(mia).count(), 0)
    assert.deepEqual(said.filter((text) => /Offline|No majority|Closed/.test(text)), [])
    await until('it has ended', () => cluster.nodes[0].process === null)
    await cluster.restart(0)
    await close()
  })

test('a full disk is named, for as long as nothing is saved', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('full')
  // As a node answers whose disk is full; that nothing is saved is real.
  await mia.page.route('**/coterie.v1.ClusterService/GetStatus', async (route) => {
    await route.fulfill({ json: { nodes: [{ nodeId: '1' }, { nodeId: '2', alarms: ['NOSPACE'] }] } })
  })
  await cluster.kill(1)
  await cluster.kill(2)
  await mia.type('kept')
  await strip(mia).getByText(/The disk of node 2 is almost full/).waitFor({ timeout: 15_000 })
  assert.equal(await exported(mia), 'kept')
  await mia.picture('disk-full')
  await mia.assertAccessible('a full disk')
  await cluster.restart(1)
  await cluster.restart(2)
  await mia.untilStatus(/Saved/, 30_000)
  assert.equal(await strip(mia).count(), 0)
  await mia.close()
})

test('a newer page is offered, and loaded when one says so', async () => {
  const mia = await writerAt(0, 'mia', { serviceWorkers: 'block' })
  await mia.page.route('**/index.html', async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer,
      body: (await answer.text()).replace(/src="\/app-[^"]+"/, 'src="/app-newer.js"') })
  })
  // As when one comes back to the tab.
  await mia.page.evaluate(() => document.dispatchEvent(new globalThis.Event('visibilitychange')))
  await mia.page.getByText('The nodes serve a newer version of this page.').waitFor()
  await mia.picture('newer-page')
  await mia.assertAccessible('a newer page')
  const reloaded = mia.page.waitForEvent('load')
  await mia.page.getByRole('button', { name: 'Load it' }).click()
  await reloaded
  await mia.page.getByRole('heading', { name: 'Documents' }).waitFor()
  await mia.close()
})

test('what this device has of a document is shown before any node answers', async (context) => {
  const mia = await writerAt(0, 'mia')
  await mia.create('first load')
  await mia.type('It is here already.')
  await mia.untilStatus(/Saved/)
  await mia.page.evaluate(() => navigator.serviceWorker.ready.then(() => true))
  await mia.page.reload()
  await mia.untilText('It is here already.')
  for (const node of cluster.nodes) node.process.kill('SIGSTOP') // They take calls, and answer none.
  try {
    await mia.page.reload({ waitUntil: 'commit' })
    await mia.page.locator('.surface').waitFor()
    const shownMs = await mia.page.evaluate(() => globalThis.performance.now())
    await mia.untilText('It is here already.')
    const textMs = await mia.page.evaluate(() => globalThis.performance.now())
    context.diagnostic(`the page after ${Math.round(shownMs)} ms, its text after ${
      Math.round(textMs)} ms`)
    assert.ok(textMs < 3_000, `after ${textMs} ms`) // Long before a node is given up.
  } finally {
    for (const node of cluster.nodes) node.process.kill('SIGCONT')
  }
  await mia.untilStatus(/Saved/, 30_000)
  await mia.close()
})

test('a page whose code fails says so, with a way back', async () => {
  const mia = await writerAt(0, 'mia', { serviceWorkers: 'block' })
  let isBroken = true
  const answer = (method, json) => mia.page.route(`**/coterie.v1.${method}`, async (route) => {
    if (isBroken) await route.fulfill({ json })
    else await route.continue()
  })
  await answer('DocumentService/ListDocuments', { documents: [{ id: '1', name: 'one' }] })
  await answer('PresenceService/ListPresent', { present: [{ documentId: '1', user: 7 }] }) // No name.
  await mia.page.getByRole('heading', { name: 'This page has failed' }).waitFor()
  await mia.picture('failed')
  await mia.assertAccessible('a page that has failed')
  isBroken = false
  await mia.page.getByRole('link', { name: 'Back to the documents' }).click()
  await mia.page.getByRole('heading', { name: 'Documents' }).waitFor()
  await mia.close()
})

test('nothing failed but on purpose, and no request left the nodes', () => {
  assert.deepEqual(complaints.filter((each) => !/TypeError/.test(each)), [])
})
