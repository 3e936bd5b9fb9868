// The writer's page on a cluster whose nodes are on several hosts, as in production: every node is
// given all origins with --http-origin. Here the hosts are addresses of this machine.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'

import { until } from '../../tests/providers/cluster.mjs'
import { closeBrowser, complaints, hosts, openBrowser, startCluster, Writer } from './writer.mjs'

before(async () => {
  hosts.splice(0, hosts.length, '127.0.0.1', '127.0.0.2', '127.0.0.3')
  await openBrowser(['--ignore-certificate-errors']) // Else no worker comes from such a node.
})
after(closeBrowser)

// As scripts/certificates.sh makes them, but one for all addresses.
function certificateFor(addresses) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'coterie-hosts-'))
  const [certificate, key] = ['node.pem', 'node.key'].map((name) => path.join(folder, name))
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
    '-nodes', '-days', '2', '-subj', '/CN=coterie', '-keyout', key, '-out', certificate, '-addext',
    `subjectAltName=${addresses.map((address) => `IP:${address}`)}`], { stdio: 'ignore' })
  return { folder, certificate, key }
}

async function goesOn(cluster) {
  const mia = await Writer.at(cluster.url(0, 'http'), 'mia')
  const tom = await Writer.at(cluster.url(1, 'http'), 'tom')
  await mia.create('travels')
  await tom.open('travels')
  await mia.type('before. ')
  await mia.untilStatus(/Saved/)
  await mia.page.evaluate(() => navigator.serviceWorker.ready.then(() => true))
  assert.equal(await mia.isWith(), mia.base)

  await cluster.kill(0)
  await mia.type('after. ')
  await mia.untilStatus(/Saved/, 20_000)
  assert.match(await mia.isWith(), /^https?:\/\/127\.0\.0\.[23]:/)
  await tom.untilText('before. after.')
  await tom.type('his. ')
  await mia.untilText('his.')

  // What this device keeps of the page and of the nodes' addresses is enough to begin with.
  await mia.page.reload()
  await mia.untilText('before. after. his.')
  await mia.untilStatus(/Saved/, 20_000)
  await mia.page.goto(`${mia.base}/#/cluster`)
  await mia.page.getByText('2 of 3 voters here').waitFor()
  await until('she sees the figures of the others', async () =>
    (await mia.page.locator('.card dd', { hasText: /^\d.*\/s, \d.*\/s$/ }).count()) === 2)
  await mia.close()
  await tom.close()
}

test("a page goes on with another host's node when its own is gone", async () => {
  const cluster = await startCluster({ hosts })
  try {
    await goesOn(cluster)
  } finally {
    await cluster.stop()
  }
})

test('and so it does with TLS', async () => {
  const { folder, certificate, key } = certificateFor(hosts)
  const flags = ['--tls-cert', certificate, '--tls-key', key, '--tls-ca', certificate]
  const cluster = await startCluster({ hosts, flags, ca: readFileSync(certificate) })
  try {
    await goesOn(cluster)
  } finally {
    await cluster.stop()
    rmSync(folder, { recursive: true })
  }
})

test('the policy refused nothing, and no request left the nodes', () => {
  assert.deepEqual(complaints, [])
})
