// What the tests of the page begin with: a cluster of three nodes and a browser for all tests of a
// file, and writers at those nodes.
import { after, before } from 'node:test'

import { closeBrowser, openBrowser, startCluster, Writer } from './writer.mjs'

export let cluster // Once the tests run.

// Called once by a file; the cluster is there when its tests run.
export function setTheStage() {
  before(async () => {
    cluster = await startCluster()
    await openBrowser()
  })
  after(async () => {
    await closeBrowser()
    await cluster?.stop()
  })
}

export const writerAt = (index, name, options) =>
  Writer.at(cluster.url(index, 'http'), name, options)

// Two who have one document open, at different nodes.
export async function pair(document) {
  const mia = await writerAt(0, 'mia')
  const tom = await writerAt(1, 'tom')
  await mia.create(document)
  await tom.open(document)
  return { mia, tom, close: () => Promise.all([mia.close(), tom.close()]) }
}
