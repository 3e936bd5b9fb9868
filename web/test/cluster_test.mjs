// The cluster page and the durability pill with real nodes that freeze, die and come back. Run by
// `./dev web test`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { pause, until } from '../../tests/providers/cluster.mjs'
import { cluster, setTheStage, writerAt } from './stage.mjs'
import { complaints } from './writer.mjs'

setTheStage()

const signal = (index, name) => cluster.nodes[index].process.kill(name)
const leaderOf = async (writer) => cluster.leader(await writer.page.evaluate(
  () => JSON.parse(globalThis.localStorage.getItem('coterie.session')).token))
async function openCluster(writer) {
  await writer.page.getByRole('link', { name: 'Cluster' }).click()
  await writer.page.getByText('3 of 3 voters here').waitFor()
}
// Which lines are drawn how: "1-2 open".
const lines = (writer) => writer.page.locator('.picture .link').evaluateAll((links) =>
  links.map((link) => link.getAttribute('class').replace('link link-', '')))
const happened = (writer, text) => writer.page.locator('.events').getByText(text).first()
const dark = (writer) => writer.page.evaluate(
  () => { document.documentElement.dataset.theme = 'dark' })

test('the page is told everything by one stream, and asks nobody for more', async () => {
  const mia = await writerAt(0, 'mia')
  const asked = []
  mia.page.on('request', (request) => asked.push(new URL(request.url()).pathname))
  await openCluster(mia)
  await pause(3_000)
  assert.deepEqual(asked.filter((path) => path.endsWith('/WatchCluster')).length, 1)
  assert.deepEqual(asked.filter((path) => /GetStatus|metrics/.test(path)), [])
  assert.deepEqual((await lines(mia)).sort(), ['open', 'open', 'quiet'])
  assert.match(await mia.page.locator('.events').textContent(), /n[1-3] leads in term \d/)
  // Who looks away stops listening, and goes on when looking again.
  const look = (isHidden) => mia.page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
    document.dispatchEvent(new globalThis.Event('visibilitychange'))
  }, isHidden)
  const ended = mia.page.waitForEvent('requestfailed',
    (request) => request.url().endsWith('/WatchCluster'))
  await look(true)
  await ended
  await look(false)
  await until('it listens again', () => asked.filter(
    (path) => path.endsWith('/WatchCluster')).length === 2)
  await mia.close()
})

test('messages fly while somebody writes, and not where motion is not wanted', async () => {
  const mia = await writerAt(0, 'mia')
  const tom = await writerAt(1, 'tom', { reducedMotion: 'reduce' })
  const eve = await writerAt(2, 'eve')
  await eve.create('moving')
  const count = (writer) => writer.page.evaluate(() => {
    globalThis.flights = 0
    const watch = new globalThis.MutationObserver((changes) => changes.forEach(
      ({ addedNodes }) => addedNodes.forEach((each) => {
        if (/flight-(append|answer)/.test(each.getAttribute?.('class') ?? '')) ++globalThis.flights
      })))
    watch.observe(document.querySelector('.picture'), { childList: true, subtree: true })
  })
  for (const watcher of [mia, tom]) {
    await openCluster(watcher)
    await count(watcher)
  }
  await eve.type('the quick brown fox jumps over the lazy dog', 60)
  const flights = (writer) => writer.page.evaluate(() => globalThis.flights)
  await until('messages have flown', async () => await flights(mia) >= 8)
  assert.equal(await flights(tom), 0)
  await pause(1_000) // Until the last letter is everywhere.
  await until('none is left in the air', async () =>
    await mia.page.locator('.flight-append, .flight-answer').count() === 0)
  const still = await flights(mia)
  await pause(2_500)
  assert.ok(await flights(mia) - still <= 4, 'and none flies when nobody writes')
  const durations = (writer) => writer.page.locator('.tape-applied').first().evaluate(
    (part) => globalThis.getComputedStyle(part).transitionDuration)
  assert.equal(await durations(mia), '0.15s')
  assert.match(await durations(tom), /^0s$/)
  for (const each of [mia, tom, eve]) await each.close()
})

test('a frozen follower: its line is cut, its tape is left behind, its word grows old', async () => {
  const mia = await writerAt(0, 'mia')
  const leader = await leaderOf(mia)
  const frozen = [1, 2].find((index) => index !== leader)
  const eve = await writerAt(leader, 'eve')
  await eve.create('without')
  await openCluster(mia)
  signal(frozen, 'SIGSTOP')
  await happened(mia, `n${frozen + 1} does not answer the leader n${leader + 1}`).waitFor()
  await eve.type('x'.repeat(30), 20)
  const card = mia.page.locator('.card', { hasText: `n${frozen + 1} ` })
  await card.getByText(/Last heard \d+ s ago/).waitFor()
  await card.getByText(/^[1-9]\d* entries$/).waitFor()
  assert.ok((await lines(mia)).includes('cut'))
  await mia.picture('cluster-frozen')
  await mia.assertAccessible('a frozen node')
  signal(frozen, 'SIGCONT')
  await happened(mia, `n${frozen + 1} answers the leader n${leader + 1} again`).waitFor()
  await until('it has caught up', async () => !(await lines(mia)).includes('cut'))
  for (const each of [mia, eve]) await each.close()
})

test('alone with the others frozen: the page says what its node knows, and how old', async () => {
  const mia = await writerAt(0, 'mia')
  await openCluster(mia)
  for (const index of [1, 2]) signal(index, 'SIGSTOP')
  await mia.page.getByText('1 of 3 voters here: no majority, nothing can be saved').waitFor()
  await mia.page.locator('.card', { hasText: 'n1 ' }).getByText('candidate').waitFor()
  await happened(mia, /n1 asks who would vote for it in term \d+/).waitFor()
  await until('all is cut', async () => (await lines(mia)).every((kind) => kind === 'cut'))
  await until('ages are shown', async () => await mia.page.getByText(/Last heard \d+ s ago/).count() === 2)
  await mia.picture('cluster-alone')
  await dark(mia)
  await mia.assertAccessible('alone, dark')
  await mia.picture('cluster-alone-dark')
  await mia.page.setViewportSize({ width: 390, height: 844 })
  assert.ok(await mia.page.evaluate(() => document.documentElement.scrollWidth) <= 390)
  await mia.assertAccessible('alone, on a phone')
  await mia.picture('cluster-alone-phone')
  for (const index of [1, 2]) signal(index, 'SIGCONT')
  await mia.page.getByText('3 of 3 voters here').waitFor({ timeout: 20_000 })
  await mia.close()
})

test('the page\'s own node is frozen: the page goes to another one', async () => {
  const mia = await writerAt(2, 'mia')
  await openCluster(mia)
  signal(2, 'SIGSTOP')
  await mia.page.getByText('2 of 3 voters here').waitFor({ timeout: 15_000 })
  assert.equal(await mia.page.locator('.card', { hasText: 'yours' }).count(), 1)
  assert.equal(await mia.page.locator('.card', { hasText: 'n3 ' })
    .getByText('yours').count(), 0)
  signal(2, 'SIGCONT')
  await mia.page.getByText('3 of 3 voters here').waitFor({ timeout: 20_000 })
  await mia.close()
})

test('the pill says on how many nodes it is, and to who stays on it where and since when', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('durable')
  await mia.type('a')
  await mia.untilStatus(/^Saved · 3\/3 nodes$/)
  const leader = await leaderOf(mia)
  const lost = [1, 2].find((index) => index !== leader)
  await cluster.kill(lost)
  await mia.type('b')
  await mia.untilStatus(/^Saved · 2\/3 nodes$/)

  const details = mia.page.getByRole('tooltip')
  assert.equal(await details.isVisible(), false)
  await mia.status.hover()
  await details.getByText(/^Saved up to index [\d,]+ of the log, term \d+\.$/).waitFor()
  await details.getByText(`Not heard yet that it is on n${lost + 1}.`).waitFor()
  await details.getByText(/^The last edit was on a majority after \d+ ms\.$/).waitFor()
  await mia.picture('pill')
  const [pill, dot] = await Promise.all([mia.page.locator('.pill').boundingBox(),
    mia.page.locator('.pill .dot').boundingBox()])
  assert.ok(dot.x > pill.x && dot.y > pill.y && dot.y < pill.y + pill.height, 'its dot is in it')
  await mia.page.mouse.move(500, 600)
  assert.equal(await details.isVisible(), false)
  // By keys: it is on the way, says the same, and Escape puts it away.
  await mia.status.focus()
  assert.equal(await details.isVisible(), true)
  assert.match(await mia.status.getAttribute('aria-describedby'), /pill-details/)
  await mia.assertAccessible('the pill')
  await dark(mia)
  await mia.assertAccessible('the pill, dark')
  await mia.page.setViewportSize({ width: 390, height: 844 })
  await mia.picture('pill-phone-dark')
  const box = await details.boundingBox()
  assert.ok(box.x >= 0 && box.x + box.width <= 390, JSON.stringify(box))
  const target = await mia.status.boundingBox()
  assert.ok(target.height >= 24)
  await mia.page.keyboard.press('Escape')
  assert.equal(await details.isVisible(), false)

  await cluster.restart(lost)
  await mia.untilStatus(/^Saved · 3\/3 nodes$/, 25_000)
  await mia.close()
})

test('a screen reader hears what the status has become, and not every letter', async () => {
  const mia = await writerAt(0, 'mia')
  await mia.create('heard')
  const said = mia.page.locator('.pill-place [role=status]')
  await until('it is said', async () => await said.textContent() === 'Saved on a majority')
  await said.evaluate((element) => {
    globalThis.saidTimes = 0
    new globalThis.MutationObserver(() => ++globalThis.saidTimes)
      .observe(element, { characterData: true, childList: true, subtree: true })
  })
  await mia.type('letters and letters and letters', 40)
  await mia.untilStatus(/^Saved · 3\/3 nodes$/)
  await pause(2_000)
  assert.equal(await mia.page.evaluate(() => globalThis.saidTimes), 0)
  await mia.close()
})

test('the policy refused nothing, and nothing failed', () => {
  assert.deepEqual(complaints, [])
})
