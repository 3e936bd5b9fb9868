// One table of what run.mjs kept: medians, and how many times longer (or larger) each other engine
// is than ours.
//
//   node report.mjs RESULTS.jsonl
import { readFileSync } from 'node:fs'

const kOurs = 'coterie'
const kWhat = ['edit', 'apply', 'bulk', 'encode', 'load', 'updates', 'size', 'memory']
const kBytes = new Set(['updates', 'size', 'memory'])

const median = numbers => {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const read = path => {
  const table = new Map() // case -> what -> engine -> {values, over, done}
  const failures = []
  const engines = []
  for (const line of readFileSync(path, 'utf8').split('\n').filter(line => line !== '')) {
    const { engine, case: name, what, value, over, done } = JSON.parse(line)
    if (!engines.includes(engine)) engines.push(engine)
    if (what === 'failed') {
      failures.push(`${name} ${engine}: ${value}`)
      continue
    }
    if (!table.has(name)) table.set(name, new Map())
    if (!table.get(name).has(what)) table.get(name).set(what, new Map())
    const cells = table.get(name).get(what)
    if (!cells.has(engine)) cells.set(engine, { values: [], over: null, done: null })
    const cell = cells.get(engine)
    if (over === undefined) cell.values.push(value)
    else Object.assign(cell, { over, done })
  }
  return { table, failures: [...new Set(failures)], engines }
}

const short = (value, what) => {
  if (kBytes.has(what)) {
    const [amount, unit] = value >= 1e6 ? [value / 1e6, ' MB'] : value >= 1e3 ? [value / 1e3, ' kB'] : [value, ' B']
    return amount.toPrecision(3).replace(/e\+\d+$/, '') + unit
  }
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3)
}

const ratio = (theirs, ours) => {
  const times = theirs / ours
  return `${times >= 10 ? times.toFixed(0) : times.toFixed(times >= 1 ? 1 : 2)}x`
}

const cellText = (cell, what, ours) => {
  if (cell === undefined) return '-'
  if (cell.values.length === 0) return `>${cell.over} s (${(cell.done * 100).toFixed(0)} %)`
  const value = median(cell.values)
  const own = ours === undefined || ours.values.length === 0 ? null : median(ours.values)
  return short(value, what) + (own !== null && own > 0 && cell !== ours ? `  ${ratio(value, own)}` : '')
}

const { table, failures, engines } = read(process.argv[2])
const rows = [['case', 'ms or bytes', ...engines]]
for (const [name, numbers] of table) {
  for (const what of kWhat) {
    const cells = numbers.get(what)
    if (cells === undefined) continue
    rows.push([name, what, ...engines.map(engine => cellText(cells.get(engine), what, cells.get(kOurs)))])
  }
}
const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)))
for (const row of rows) {
  console.log(row.map((text, i) => (i < 2 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join('  ').trimEnd())
}
failures.forEach(failure => console.log(`failed: ${failure}`))
