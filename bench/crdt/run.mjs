// Runs every engine on every case, interleaved, each in a process of its own, and keeps the lines:
//
//   node run.mjs WORKLOADS RESULTS.jsonl PROGRAM     PROGRAM: our engine's crdt_bench
//
//   REPETITIONS=3   ENGINES=coterie,yjs,...   CASES=B1.1,B4,...   (by default all)
//
// An engine that needs more than 20 s for a case is not asked again: its one answer stands.
import { spawnSync } from 'node:child_process'
import { appendFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const kSlowSeconds = 20
const kProcessSecondsMax = 300

const [folder, results, program] = process.argv.slice(2)
const list = (name, fallback) => (process.env[name] ? process.env[name].split(',') : fallback)
const byName = (a, b) => a.localeCompare(b, 'en', { numeric: true })

const engines = list('ENGINES', ['coterie', 'yjs', 'ywasm', 'loro', 'automerge'])
const cases = list('CASES', readdirSync(folder).filter(name => name.endsWith('.txt'))
  .map(name => name.slice(0, -4)).sort(byName))
const repetitions = Number(process.env.REPETITIONS ?? 3)
const measure = fileURLToPath(new URL('measure.mjs', import.meta.url))

const commandOf = engine => (engine === 'coterie'
  ? [program, [folder]]
  : [process.execPath, ['--expose-gc', measure, engine, folder]])

const slow = new Set()

const run = (engine, name) => {
  const key = `${engine} ${name}`
  if (slow.has(key)) return
  const [command, first] = commandOf(engine)
  const begun = performance.now()
  const { status, stdout, stderr, error } = spawnSync(command, [...first, name],
    { timeout: kProcessSecondsMax * 1000, maxBuffer: 1 << 26, encoding: 'utf8' })
  if ((performance.now() - begun) / 1000 > kSlowSeconds) slow.add(key)
  if (status === 0) {
    appendFileSync(results, stdout)
    return
  }
  const reason = error?.code === 'ETIMEDOUT'
    ? `no answer within ${kProcessSecondsMax} s`
    : String(error?.message ?? stderr.trim().split('\n').slice(-1)[0])
  appendFileSync(results, JSON.stringify({ engine, case: name, what: 'failed', value: reason }) + '\n')
}

writeFileSync(results, '')
for (let repetition = 1; repetition <= repetitions; ++repetition) {
  for (const name of cases) {
    process.stderr.write(`\r${repetition}/${repetitions} ${name}          `)
    for (const engine of engines) run(engine, name)
  }
}
process.stderr.write('\r                              \r')
