// The API as a page of one's own uses it: with @connectrpc/connect-web, as JSON and as bytes, and
// with curl; and the page of metrics as a parser reads it. Run by ctest.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, describe, test } from 'node:test'
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-web'
import parsePrometheus from 'parse-prometheus-text-format'
import { Cluster } from './cluster.mjs'

let cluster
let folder
let registry

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'coterie-connect-'))
  const root = fileURLToPath(new URL('../../proto', import.meta.url))
  const set = path.join(folder, 'set')
  execFileSync('protoc', ['-I', root, '--include_imports', `--descriptor_set_out=${set}`,
    'google/rpc/error_details.proto', ...['auth', 'documents', 'events', 'backup'].map(
      (name) => `coterie/v1/${name}.proto`)])
  registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(set)))
  cluster = await Cluster.start(1)
})
after(async () => {
  await cluster?.stop()
  rmSync(folder, { recursive: true })
  setTimeout(() => process.exit(process.exitCode ?? 0), 200).unref()
})

const transport = (coding, token) => createConnectTransport({
  baseUrl: cluster.url(0, 'http'),
  useBinaryFormat: coding === 'bytes',
  interceptors: [(next) => (request) => {
    if (token) request.header.set('authorization', `Bearer ${token}`)
    return next(request)
  }],
})
const client = (service, coding, token) => createClient(
  registry.getService(`coterie.v1.${service}`), transport(coding, token))
const refused = async (promise) => {
  const error = await promise.then(() => assert.fail('it was not refused'), (reason) => reason)
  return ConnectError.from(error)
}

for (const coding of ['JSON', 'bytes']) {
  describe(`connect-web, ${coding}`, () => {
    test('calls', async () => {
      const { token } = await client('AuthService', coding).login({ user: 'ana' })
      const documents = client('DocumentService', coding, token)
      const name = `called as ${coding}`
      const made = await documents.createDocument({ name, text: 'héllo 🌍' })
      assert.equal(typeof made.revision, 'bigint')
      await documents.editDocument({ document: { ref: { case: 'name', value: name } },
        splices: [{ position: 5n, deleted: 3n, inserted: ', all' }] })
      const { document, text } = await documents.getDocument(
        { document: { ref: { case: 'name', value: name } } })
      assert.equal(text, 'héllo, all')
      assert.equal(document.name, name)
    })

    test('gets errors with their details', async () => {
      const { token } = await client('AuthService', coding).login({ user: 'ana' })
      const documents = client('DocumentService', coding, token)
      const info = registry.getMessage('google.rpc.ErrorInfo')
      const missing = await refused(documents.getDocument(
        { document: { ref: { case: 'name', value: 'missing' } } }))
      assert.equal(missing.code, Code.NotFound)
      const [detail] = missing.findDetails(info)
      assert.equal(detail.reason, 'NOT_FOUND')
      assert.equal(detail.domain, 'coterie.dev')
      const stranger = await refused(client('DocumentService', coding).listDocuments({}))
      assert.equal(stranger.code, Code.Unauthenticated)
      const late = await refused(documents.listDocuments({}, { signal: AbortSignal.abort() }))
      assert.equal(late.code, Code.Canceled)
    })

    test('gets events as they come, and ends when it has enough', async () => {
      const { token } = await client('AuthService', coding).login({ user: 'ana' })
      const documents = client('DocumentService', coding, token)
      const name = `streamed as ${coding}`
      const { revision } = await documents.createDocument({ name })
      const enough = new AbortController()
      const appended = []
      const stream = client('EventService', coding, token).subscribe(
        { afterRevision: revision }, { signal: enough.signal })
      const end = refused((async () => {
        for await (const batch of stream) {
          for (const { body } of batch.events) {
            if (body.case === 'documentChanged') appended.push(batch.revision)
          }
          if (appended.length === 3) enough.abort()
        }
      })())
      for (let i = 0; i < 3; ++i) {
        await documents.appendDocument(
          { document: { ref: { case: 'name', value: name } }, text: `${i};` })
      }
      assert.equal((await end).code, Code.Canceled)
      assert.equal(appended.length, 3)
      assert.ok(appended.every((at) => at > revision))
    })

    test('gets the error of a stream as its end', async () => {
      const stream = client('EventService', coding, 'none').subscribe({})
      const error = await refused((async () => { for await (const _ of stream) continue })())
      assert.equal(error.code, Code.Unauthenticated)
      assert.equal(error.findDetails(registry.getMessage('google.rpc.ErrorInfo'))[0].reason,
        'UNAUTHENTICATED')
    })

    test('takes a backup', async () => {
      const { token } = await client('AuthService', coding).login({ user: 'ana' })
      const pieces = []
      for await (const { data } of client('BackupService', coding, token).takeBackup({})) {
        pieces.push(data)
      }
      const file = path.join(folder, `${coding}.backup`)
      writeFileSync(file, Buffer.concat(pieces))
      execFileSync(process.env.COTERIE_PROGRAM, ['backup', 'verify', file])
      const { token: other } = await client('AuthService', coding).login({ user: 'bob' })
      const stream = client('BackupService', coding, other).takeBackup({})
      const error = await refused((async () => { for await (const _ of stream) continue })())
      assert.equal(error.code, Code.PermissionDenied)
    })
  })
}

// As docs/gateway.md has it.
test('curl takes a backup', async () => {
  const token = await cluster.login('ana')
  const file = path.join(folder, 'by-curl.backup')
  const command = `printf '\\0\\0\\0\\0\\2{}' | curl -s --data-binary @- \\
    -H 'content-type: application/connect+json' -H "authorization: Bearer $TOKEN" \\
    $NODE/coterie.v1.BackupService/TakeBackup | python3 -c '
import base64, json, sys
while head := sys.stdin.buffer.read(5):
    part = json.loads(sys.stdin.buffer.read(int.from_bytes(head[1:], "big")))
    sys.exit(str(part) if "error" in part else 0) if head[0] == 2 else None
    sys.stdout.buffer.write(base64.b64decode(part["data"]))
sys.exit("it was cut off")' > "$FILE"`
  const run = (env) => execFileSync('bash', ['-o', 'pipefail', '-c', command], {
    env: { ...process.env, NODE: cluster.url(0, 'http'), FILE: file, ...env }, stdio: 'pipe' })
  run({ TOKEN: token })
  execFileSync(process.env.COTERIE_PROGRAM, ['backup', 'verify', file])
  assert.throws(() => run({ TOKEN: 'none' }), /unauthenticated/)
})

describe('/metrics', () => {
  test('is what Prometheus reads', async () => {
    const token = await cluster.login('ana')
    await cluster.call('DocumentService/CreateDocument', { name: 'measured' }, { token })
    await cluster.call('DocumentService/GetDocument', { document: { name: 'none' } }, { token })
      .catch(() => {})
    const answer = await fetch(`${cluster.url(0, 'http')}/metrics`)
    assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    const text = await answer.text()

    const families = parsePrometheus(text)

    const named = new Map(families.map((family) => [family.name, family]))
    assert.equal(named.size, families.length, 'a family is there twice')
    assert.ok(families.length > 40)
    for (const { name, help, type, metrics } of families) {
      assert.match(name, /^(coterie|process)_[a-z0-9_]+$/)
      assert.ok(help.length > 5, name)
      assert.ok(['COUNTER', 'GAUGE', 'HISTOGRAM'].includes(type), `${name}: ${type}`)
      // prometheus.io/docs/practices/naming: base units, and counters say that they are.
      assert.equal(type === 'COUNTER', name.endsWith('_total'), name)
      if (type === 'HISTOGRAM') assert.match(name, /_seconds$/)
      assert.doesNotMatch(name, /_(ms|us|milliseconds|kb|mb|minutes)(_|$)/)
      if (type === 'HISTOGRAM') continue // The parser takes all series of one for one: below.
      for (const { value } of metrics) assert.ok(Number.isFinite(Number(value)), `${name} ${value}`)
    }
    // The parser takes what stands without these two; Prometheus would, too, as untyped.
    const samples = text.split('\n').filter((line) => line && !line.startsWith('#'))
    const keys = samples.map((line) => line.slice(0, line.lastIndexOf(' ')))
    assert.equal(new Set(keys).size, keys.length, 'a series is there twice')
    for (const key of keys) {
      const name = key.replace(/\{.*/, '')
      assert.ok(named.has(name) || named.has(name.replace(/_(bucket|sum|count)$/, '')), key)
    }
    const value = new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1))]))
    const counts = [...value.keys()].filter((key) => /_count\b/.test(key))
    assert.ok(counts.length > 2)
    for (const key of counts) {
      const [, name, labels] = /^(\w+)_count(?:\{(.*)\})?$/.exec(key)
      const buckets = [...value.keys()].filter(
        (other) => other.startsWith(`${name}_bucket{${labels ? `${labels},` : ''}le=`))
      const bound = (bucket) => Number(/le="([^"]+)"/.exec(bucket)[1].replace('+Inf', 'Infinity'))
      for (let i = 1; i < buckets.length; ++i) {
        assert.ok(bound(buckets[i]) > bound(buckets[i - 1]), buckets[i])
        assert.ok(value.get(buckets[i]) >= value.get(buckets[i - 1]), buckets[i])
      }
      assert.equal(bound(buckets.at(-1)), Infinity)
      assert.equal(value.get(buckets.at(-1)), value.get(key), key)
    }
    assert.ok(named.get('coterie_rpc_errors_total').metrics.some(
      ({ labels }) => labels.method === 'DocumentService.GetDocument'))
  })
})
