// What the writer's page keeps, says and lets one reach, in real Chromium windows; run by
// `./dev web test`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { until } from '../../tests/providers/cluster.mjs'
import { cluster, pair, setTheStage, writerAt } from './stage.mjs'
import { complaints } from './writer.mjs'

setTheStage()

test('who holds the lock keeps it through restoring and through a reload', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('mine')
  await mia.type('first')
  await mia.untilStatus(/Saved/)
  const token = await cluster.login('mia')
  const remaining = async () => {
    const { document } = await cluster.call('DocumentService/GetDocument',
      { document: { name: 'mine' } }, { token })
    return Number(document.lock?.expiresAtMs ?? 0) - Date.now()
  }
  await mia.page.getByRole('button', { name: 'Lock', exact: true }).click()
  await mia.page.getByRole('button', { name: 'Unlock' }).waitFor()
  await mia.page.getByRole('button', { name: 'History' }).click()
  await mia.page.locator('.version').first().click()
  await mia.page.getByRole('button', { name: 'Restore this version' }).click()
  await mia.page.getByText('Restored as the newest version.').waitFor()
  assert.ok(await remaining() > 60_000, `${await remaining()} ms remain`)
  await mia.page.reload()
  await mia.page.getByRole('button', { name: 'Unlock' }).waitFor()
  const before = await remaining()
  await until('it is renewed', async () => await remaining() > before, 10_000)
  await mia.page.getByRole('button', { name: 'Unlock' }).click()
  await mia.page.getByRole('button', { name: 'Lock', exact: true }).waitFor()
  await mia.close()
})

test('the link to the content leaves the document open', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('skipped')
  const address = mia.page.url()
  await mia.page.locator('.skip').focus()
  await mia.page.keyboard.press('Enter')
  assert.equal(await mia.page.evaluate(() => document.activeElement.id), 'main')
  assert.equal(mia.page.url(), address)
  assert.ok(await mia.content.isVisible())
  await mia.page.keyboard.press('Tab')
  await mia.page.keyboard.type('into the text')
  await mia.untilText('into the text')
  await mia.close()
})

test('Ctrl S says what is, and what is too much at once is refused for all to see', async () => {
  const { mia, tom, close } = await pair('large')
  await mia.content.focus()
  const says = async (text) => {
    await mia.page.keyboard.press('Control+s')
    await until(`it says ${text}`, async () => text.test(await mia.announced.textContent()))
  }
  await says(/Saved (on a majority|· [23]\/3 nodes), up to index [\d,]+ of the log/)
  await mia.paste('word ', 500_000) // More than an entry of the log may have.
  await mia.untilStatus(/Saved/, 30_000)
  await tom.page.getByText('500,000 words').waitFor({ timeout: 30_000 })
  await mia.paste('word ', 4_000_000)
  await mia.page.getByRole('alert').getByText('That is 20 MiB. At once at most 16 MiB').waitFor()
  await mia.picture('refused')
  await mia.page.getByRole('alert').getByRole('button', { name: 'Close' }).click()
  assert.equal(await mia.page.getByRole('alert').count(), 0)
  await mia.context.setOffline(true)
  await mia.untilStatus(/Offline/)
  await says(/Offline – edits are kept here/)
  await close()
})

test('a browser that keeps nothing is not said to, and asks before it forgets', async () => {
  const { mia, tom, close } = await pair('kept nowhere')
  await mia.context.addInitScript(() => {
    Object.defineProperty(globalThis, 'indexedDB', { value: {
      open() { throw new globalThis.DOMException('not here', 'SecurityError') },
    } })
  })
  await mia.page.evaluate(() => navigator.serviceWorker.ready.then(() => true))
  await mia.page.reload()
  await mia.untilStatus(/Saved/)
  await mia.context.setOffline(true)
  await mia.untilStatus(/Offline/)
  await mia.type('nowhere else')
  await mia.untilStatus(/^Offline – \d+ edits kept in this tab only$/)
  await mia.picture('kept-nowhere')
  const asked = new Promise((done) => mia.page.once('dialog', (dialog) => {
    done(dialog.type())
    void dialog.dismiss()
  }))
  await mia.page.evaluate(() => { setTimeout(() => location.reload(), 0) })
  assert.equal(await asked, 'beforeunload')
  await mia.untilText('nowhere else')
  await mia.context.setOffline(false)
  await mia.untilStatus(/Saved/, 15_000)
  await tom.untilText('nowhere else')
  await close()
})

test('documents are found, renamed and deleted', async () => {
  const mia = await writerAt(2, 'mia')
  await mia.create('to be renamed')
  await mia.page.getByRole('link', { name: 'Documents' }).click()
  await mia.page.getByRole('button', { name: 'Rename to be renamed' }).click()
  await mia.page.getByLabel('New name of to be renamed').fill('renamed')
  await mia.page.getByRole('button', { name: 'Rename', exact: true }).click()
  await mia.page.getByRole('link', { name: 'renamed', exact: true }).waitFor()
  await mia.page.getByLabel('Search documents').fill('renam')
  await until('only that one', async () => await mia.page.locator('.row').count() === 1)
  await mia.picture('documents')
  await mia.assertAccessible('documents')
  await mia.page.getByRole('button', { name: 'Delete renamed' }).click()
  await mia.page.getByRole('button', { name: 'Delete', exact: true }).click()
  await until('gone', async () => await mia.page.locator('.row').count() === 0)
  await mia.close()
})

test('of more documents than are shown at first, each is found by a part of its name', async () => {
  const mia = await writerAt(1, 'mia')
  const token = await cluster.login('mia')
  const create = (name) => cluster.call('DocumentService/CreateDocument', { name }, { token })
  await create('The Önly One of its kind')
  for (let first = 0; first < 220; first += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, i) => create(`one of many ${first + i}`)))
  }
  const rows = mia.page.getByRole('list', { name: 'Documents' }).getByRole('listitem')
  await until('the newest are listed', async () => await rows.count() === 200, 20_000)
  const only = mia.page.getByRole('link', { name: 'The Önly One' })
  assert.equal(await only.count(), 0)
  const search = mia.page.getByRole('searchbox', { name: 'Search documents' })
  await search.fill('önly')
  await only.waitFor()
  assert.equal(await rows.count(), 1)
  await search.fill('')
  await mia.page.getByRole('button', { name: 'Show more' }).click()
  await only.waitFor()
  await until('there are no more', async () =>
    await mia.page.getByRole('button', { name: 'Show more' }).count() === 0)
  await mia.close()
})

test('the sign-in, the keys and an error can be read by all, light and dark', async () => {
  const mia = await writerAt(0, 'mia')
  const inBoth = async (where) => {
    for (const theme of ['light', 'dark']) {
      await mia.page.evaluate((to) => { document.documentElement.dataset.theme = to }, theme)
      await mia.picture(`${where}-${theme}`)
      await mia.assertAccessible(`${where}, ${theme}`)
    }
  }
  await mia.create('read by all')
  await mia.page.getByRole('button', { name: 'Keys' }).click()
  await mia.page.getByRole('region', { name: 'Keys' }).waitFor()
  await inBoth('keys')
  await mia.page.keyboard.press('Escape')
  await mia.page.evaluate(() => { location.hash = '#/d/nobody%20made%20this' })
  await mia.page.getByRole('alert').getByText(/nobody made this/).waitFor()
  await inBoth('error')
  await mia.page.getByRole('button', { name: 'Log out' }).click()
  await mia.page.getByLabel('Your name').waitFor()
  await inBoth('sign-in')
  await mia.close()
})

test('on a phone everything is within reach', async () => {
  const mia = await writerAt(0, 'mia', { viewport: { width: 390, height: 844 }, hasTouch: true })
  await mia.create('phone')
  await mia.type('a few words')
  await mia.untilStatus(/Saved/)
  const width = await mia.page.evaluate(() => document.documentElement.scrollWidth)
  assert.ok(width <= 390, `the page is ${width} wide`)
  await mia.page.getByText('3 words').waitFor()
  for (const button of await mia.page.locator('.tools button:visible').all()) {
    const box = await button.boundingBox()
    assert.ok(box.width >= 24 && box.height >= 24, `${await button.textContent()}: ${box.width}`)
  }
  await mia.picture('phone')
  await mia.assertAccessible('editor on a phone')
  await mia.page.getByRole('button', { name: 'Keys' }).click()
  await mia.page.getByRole('region', { name: 'Keys' }).waitFor()
  await mia.picture('phone-keys')
  await mia.assertAccessible('keys on a phone')
  await mia.page.keyboard.press('Escape')
  for (const page of ['Documents', 'Cluster']) {
    await mia.page.getByRole('link', { name: page }).click()
    await mia.page.getByRole('heading', { name: page }).waitFor()
    await mia.page.locator('.row, .card').first().waitFor()
    await mia.picture(`phone-${page.toLowerCase()}`)
    await mia.assertAccessible(`${page} on a phone`)
  }
  await mia.close()
})

test('the policy refused nothing, nothing failed, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
