// The writer's page on a cluster whose nodes are on several hosts, as in production: every node is
// given all origins with --http-origin. Here the hosts are addresses of this machine.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { until } from '../../tests/providers/cluster.mjs'
import { closeBrowser, complaints, hosts, openBrowser, startCluster, Writer } from './writer.mjs'

let cluster

before(async () => {
  hosts.splice(0, hosts.length, '127.0.0.1', '127.0.0.2', '127.0.0.3')
  cluster = await startCluster({ hosts })
  await openBrowser()
})
after(async () => {
  await closeBrowser()
  await cluster?.stop()
})

test("a page goes on with another host's node when its own is gone", async () => {
  const mia = await Writer.at(cluster.url(0, 'http'), 'mia')
  const tom = await Writer.at(cluster.url(1, 'http'), 'tom')
  await mia.create('travels')
  await tom.open('travels')
  await mia.type('before. ')
  await mia.untilStatus(/Saved on a majority/)
  await mia.page.evaluate(() => navigator.serviceWorker.ready.then(() => true))
  assert.equal(await mia.status.getAttribute('title'), `Node ${mia.base}`)

  await cluster.kill(0)
  await mia.type('after. ')
  await mia.untilStatus(/Saved on a majority/, 20_000)
  assert.match(await mia.status.getAttribute('title'), /^Node http:\/\/127\.0\.0\.[23]:/)
  await tom.untilText('before. after.')
  await tom.type('his. ')
  await mia.untilText('his.')

  // What this device keeps of the page and of the nodes' addresses is enough to begin with.
  await mia.page.reload()
  await mia.untilText('before. after. his.')
  await mia.untilStatus(/Saved on a majority/, 20_000)
  await mia.page.goto(`${mia.base}/#/cluster`)
  await mia.page.getByText('2 of 3 voters here').waitFor()
  await until('she sees the figures of the others', async () =>
    (await mia.page.locator('.card dd', { hasText: /^\d.*\/s, \d.*\/s$/ }).count()) === 2)
  await mia.close()
  await tom.close()
})

test('the policy refused nothing, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
