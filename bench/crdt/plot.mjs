// Cost per edit against the number of edits, both logarithmic, for the mixes of `workload.mjs ...
// growth`: a level line is linear work in all, a line that climbs by one decade per decade is
// quadratic.
//
//   node plot.mjs RESULTS.jsonl PLOT.svg     and prints the slopes
import { readFileSync, writeFileSync } from 'node:fs'

const kColours = { coterie: '#c0392b', yjs: '#2c6fbb', ywasm: '#7f8c8d', loro: '#27ae60', automerge: '#8e44ad' }
const kPanel = { width: 300, height: 220, left: 52, top: 30, right: 12, bottom: 34 }
const kColumns = 3

// mix -> engine -> [[size, microseconds per edit]]; what is measured is edit + apply, or apply alone.
const read = path => {
  const totals = new Map()
  for (const line of readFileSync(path, 'utf8').split('\n').filter(line => line !== '')) {
    const { engine, case: name, what, value } = JSON.parse(line)
    if (value === undefined || (what !== 'edit' && what !== 'apply')) continue
    const key = `${name} ${engine}`
    if (!totals.has(key)) totals.set(key, {})
    const times = totals.get(key)
    times[what] = Math.min(times[what] ?? Infinity, value)
  }
  const mixes = new Map()
  for (const [key, { edit = 0, apply }] of totals) {
    const [name, engine] = key.split(' ')
    const [mix, size] = name.split('@')
    if (size === undefined || apply === undefined) continue
    if (!mixes.has(mix)) mixes.set(mix, new Map())
    if (!mixes.get(mix).has(engine)) mixes.get(mix).set(engine, [])
    mixes.get(mix).get(engine).push([Number(size), (edit + apply) * 1000 / Number(size)])
  }
  for (const lines of mixes.values()) for (const points of lines.values()) points.sort(([a], [b]) => a - b)
  return mixes
}

// Least squares in log-log; 0 = cost per edit does not depend on size.
const slopeOf = points => {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)])
  const mean = i => logs.reduce((sum, log) => sum + log[i], 0) / logs.length
  const [mx, my] = [mean(0), mean(1)]
  return logs.reduce((s, [x, y]) => s + (x - mx) * (y - my), 0) / logs.reduce((s, [x]) => s + (x - mx) ** 2, 0)
}

const decades = (low, high) => {
  const all = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); ++power) all.push(power)
  return all
}

const drawPanel = (mix, lines, x0, y0, out) => {
  const { width, height, left, top, right, bottom } = kPanel
  const all = [...lines.values()].flat()
  const xs = decades(Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x)))
  const ys = decades(Math.min(...all.map(([, y]) => y)), Math.max(...all.map(([, y]) => y)))
  const scale = (value, powers, begin, end) =>
    begin + (Math.log10(value) - powers[0]) / (powers[powers.length - 1] - powers[0]) * (end - begin)
  const px = value => (x0 + scale(value, xs, left, width - right)).toFixed(1)
  const py = value => (y0 + scale(value, ys, height - bottom, top)).toFixed(1)
  out.push(`<text x="${x0 + left}" y="${y0 + 18}" font-weight="bold">${mix}</text>`)
  for (const power of xs) {
    out.push(`<line x1="${px(10 ** power)}" x2="${px(10 ** power)}" y1="${y0 + top}" y2="${y0 + height - bottom}" stroke="#ddd"/>`)
    out.push(`<text x="${px(10 ** power)}" y="${y0 + height - bottom + 14}" text-anchor="middle">1e${power}</text>`)
  }
  for (const power of ys) {
    out.push(`<line x1="${x0 + left}" x2="${x0 + width - right}" y1="${py(10 ** power)}" y2="${py(10 ** power)}" stroke="#ddd"/>`)
    out.push(`<text x="${x0 + left - 4}" y="${Number(py(10 ** power)) + 4}" text-anchor="end">${10 ** power}</text>`)
  }
  for (const [engine, points] of lines) {
    const path = points.map(([x, y]) => `${px(x)},${py(y)}`).join(' ')
    out.push(`<polyline points="${path}" fill="none" stroke="${kColours[engine]}" stroke-width="2"/>`)
    points.forEach(([x, y]) => out.push(`<circle cx="${px(x)}" cy="${py(y)}" r="2.5" fill="${kColours[engine]}"/>`))
  }
}

const draw = (mixes, path) => {
  const rows = Math.ceil(mixes.size / kColumns)
  const [width, height] = [kColumns * kPanel.width, rows * kPanel.height + 30]
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`
  ]
  let i = 0
  const engines = new Set()
  for (const [mix, lines] of mixes) {
    drawPanel(mix, lines, (i % kColumns) * kPanel.width, Math.floor(i / kColumns) * kPanel.height, out)
    for (const engine of lines.keys()) engines.add(engine)
    ++i
  }
  let x = kPanel.left
  for (const engine of engines) {
    out.push(`<text x="${x}" y="${height - 10}" fill="${kColours[engine]}">${engine}</text>`)
    x += 70
  }
  out.push(`<text x="${x}" y="${height - 10}">microseconds per edit (written, and applied elsewhere) against edits</text></svg>`)
  writeFileSync(path, out.join('\n') + '\n')
}

const [results, plot] = process.argv.slice(2)
const mixes = read(results)
draw(mixes, plot)
for (const [mix, lines] of mixes) {
  for (const [engine, points] of lines) {
    const [first, last] = [points[0], points[points.length - 1]]
    console.log(`${mix.padEnd(14)} ${engine.padEnd(10)} ${first[1].toFixed(2)} us/edit at ${first[0]}, ` +
      `${last[1].toFixed(2)} at ${last[0]}; slope ${slopeOf(points).toFixed(2)}`)
  }
}
