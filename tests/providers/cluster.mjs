// A cluster of real coterie-node processes for the tests, and calls to its API as JSON.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import https from 'node:https'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// What a node says while leaders change, which may be at any time on a machine that is busy.
const isPassing = (error) => error.code === 'unavailable'

// Waits until `condition` yields something true, and returns that.
export async function until(what, condition, timeoutMs = 10_000) {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    let error
    const result = await (async () => condition())().catch((thrown) => {
      if (!isPassing(thrown)) throw thrown
      error = thrown
    })
    if (result) return result
    if (Date.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: error })
    }
    await pause(15)
  }
}

// Below those that systems give to connections: a node that was killed must find its own again.
async function listenSomewhere(host) {
  for (;;) {
    const server = net.createServer()
    const port = 15_000 + Math.floor(Math.random() * 17_000)
    const error = await new Promise((resolve) => {
      server.on('error', resolve)
      server.listen(port, host, () => resolve(null))
    })
    if (!error) return server
    if (error.code !== 'EADDRINUSE') throw error
  }
}

// One for each of `hosts`. All of them are held until the last is known, so that no two are the same.
async function freePorts(hosts) {
  const servers = []
  for (const host of hosts) servers.push(await listenSomewhere(host))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

// Each of them is done once for each RequestId (auth.proto), however often it is asked for.
const kNumbered = new RegExp('^(AuthService/(CreateUser|SetPassword|RemoveUser)|' +
  'DocumentService/(Create|Rename|Delete|Share|Write|Edit|Append|Lock|Unlock)Document|' +
  'DocumentService/(ApplyUpdate|BreakLock|RestoreVersion)|DraftService/(Merge|Drop)Draft|' +
  'AssistService/ResolveSuggestion)$')
// Twice is as good as once; the second Logout finds no session.
const kRepeatable = /[/](Get|List|Login$|Logout$|WhoAmI$)/

// fetch() for what is signed by an authority of our own, as far as it is needed here.
function fetchSecurely(ca, url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers, ca }, async (answer) => {
      let text = ''
      for await (const piece of answer.setEncoding('utf8')) text += piece
      const ok = answer.statusCode < 300
      resolve({ ok, status: answer.statusCode, json: () => JSON.parse(text), text: () => text })
    })
    request.on('error', reject)
    request.end(body)
  })
}

export class Cluster {
  // `webRoot`: the folder of the writer's page, which the nodes serve then. `flags`: more of them,
  // for every node. `hosts`: addresses of the nodes' HTTP ports; all of them the same by default.
  // `ca`: the nodes have certificates (by `flags`) that this authority signed.
  static async start(size = 3, { webRoot, flags = [], hosts = [], ca } = {}) {
    const program = process.env.COTERIE_NODE_PROGRAM
    if (!program) throw new Error('COTERIE_NODE_PROGRAM does not say which coterie-node to test')
    const cluster = new Cluster()
    cluster.program = program
    cluster.webRoot = webRoot
    cluster.flags = flags
    cluster.ca = ca
    cluster.fetch = ca ? (url, options) => fetchSecurely(ca, url, options) : fetch
    cluster.folder = mkdtempSync(path.join(os.tmpdir(), 'coterie-providers-'))
    cluster.nodes = Array.from({ length: size }, (_, i) => (
      { id: i + 1, host: hosts[i] ?? '127.0.0.1', process: null }))
    const ports = await freePorts(cluster.nodes.flatMap(
      ({ host }) => ['127.0.0.1', '127.0.0.1', host]))
    for (const node of cluster.nodes) [node.grpc, node.peer, node.http] = ports.splice(0, 3)
    for (const node of cluster.nodes) cluster.launch(node)
    try {
      for (const node of cluster.nodes) await cluster.untilReady(node)
    } catch (error) {
      await cluster.stop() // Else those that did start keep the test's process from its end.
      throw error
    }
    return cluster
  }

  launch(node) {
    const founders = this.nodes.flatMap((other) => [
      '--founder', `${other.id}=127.0.0.1:${other.peer}=127.0.0.1:${other.grpc}`])
    const web = this.webRoot ? ['--web-root', this.webRoot, ...this.nodes.flatMap((other) => [
      '--http-origin', `${this.ca ? 'https' : 'http'}://${other.host}:${other.http}`])] : []
    const log = openSync(path.join(this.folder, `n${node.id}.log`), 'a')
    node.process = spawn(this.program, [
      '--id', node.id, '--cluster-id', 7, '--data', path.join(this.folder, `n${node.id}`),
      '--listen', `127.0.0.1:${node.grpc}`, '--peer-listen', `127.0.0.1:${node.peer}`,
      '--http-listen', `${node.host}:${node.http}`, '--http-open-metrics',
      ...(process.env.COTERIE_NODE_FLAGS ?? '').split(' ').filter(Boolean),
      ...this.flags, ...web, ...founders].map(String), { stdio: ['ignore', log, log] })
    node.process.on('exit', (code, signal) => {
      node.end = signal ?? code
      node.process = null
    })
  }

  async untilReady(node) {
    await until(`node ${node.id} is ready; ${this.folder}/n${node.id}.log`, async () => {
      if (node.process === null) throw new Error(`node ${node.id} ended: ${this.log(node)}`)
      const url = `${this.ca ? 'https' : 'http'}://${node.host}:${node.http}/readyz`
      const answer = await this.fetch(url).catch(() => null)
      return answer?.ok
    }, 30_000)
  }

  log(node) {
    return readFileSync(path.join(this.folder, `n${node.id}.log`), 'utf8').slice(-2_000)
  }

  url(index, kind = 'ws') {
    const scheme = this.ca ? `${kind}s` : kind
    const { host, http } = this.nodes[index]
    return `${scheme}://${host}:${http}`
  }

  clientId = String(randomBytes(8).readBigUInt64LE() | 1n)
  lastSequence = 0
  openSequences = new Set()

  // Is repeated while leaders change, if that does no harm.
  async call(method, request = {}, options = {}) {
    if (!kNumbered.test(method)) {
      return this.repeat(method, request, options, kRepeatable.test(method))
    }
    const sequence = ++this.lastSequence
    this.openSequences.add(sequence)
    const requestId = {
      clientId: this.clientId, sequence: String(sequence),
      ackedBelow: String(Math.min(...this.openSequences)),
    }
    try {
      return await this.repeat(method, { requestId, ...request }, options, true)
    } finally {
      this.openSequences.delete(sequence)
    }
  }

  async repeat(method, request, options, isRepeatable) {
    const deadline = Date.now() + 10_000
    for (let tries = 1; ; ++tries) {
      try {
        return await this.ask(method, request, options)
      } catch (error) {
        if (tries > 1 && method === 'AuthService/Logout' && error.code === 'unauthenticated') {
          return {}
        }
        if (!isRepeatable || !isPassing(error) || Date.now() > deadline) throw error
      }
      await pause(100)
    }
  }

  async ask(method, request, { token, index = 0 }) {
    const answer = await this.fetch(`${this.url(index, 'http')}/coterie.v1.${method}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      body: JSON.stringify(request),
    })
    const body = await answer.json()
    if (!answer.ok) throw Object.assign(new Error(`${method}: ${body.message}`), body)
    return body
  }

  async login(user, index = 0) {
    return (await this.call('AuthService/Login', { user }, { index })).token
  }

  // Waits for one that `index` knows.
  async leader(token, index = 0) {
    const leader = await until('there is a leader', async () => {
      const status = await this.call('ClusterService/GetStatus', {}, { token, index })
      return this.nodes.find(({ id }) => String(id) === String(status.leaderId))
    })
    return this.nodes.indexOf(leader)
  }

  kill(index) {
    const node = this.nodes[index]
    const ended = new Promise((resolve) => node.process.once('exit', resolve))
    node.process.kill('SIGKILL')
    return ended
  }

  async restart(index) {
    this.launch(this.nodes[index])
    await this.untilReady(this.nodes[index])
  }

  async stop() {
    for (const node of this.nodes) node.process?.kill('SIGKILL')
    await until('all ended', () => this.nodes.every((node) => node.process === null))
    if (!process.env.COTERIE_KEEP) rmSync(this.folder, { recursive: true, force: true })
  }
}
