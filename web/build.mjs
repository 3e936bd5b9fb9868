// Builds the page into dist/ (or the folder given): one script, one style sheet, both with a hash
// in their names, each with a brotli copy beside it. Fails when it is larger than the page may be.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'

import { build } from 'esbuild'

const kBrotliBytesMax = 180 * 1024
const source = new URL('src/', import.meta.url).pathname
const target = path.resolve(process.argv[2] ?? new URL('dist/', import.meta.url).pathname)

async function bundle(entry, options = {}) {
  const built = await build({
    entryPoints: [path.join(source, entry)], bundle: true, minify: true, write: false,
    target: ['chrome111', 'firefox113', 'safari16.4'], legalComments: 'none', outdir: target,
    jsx: 'automatic', jsxImportSource: 'preact', logLevel: 'warning', ...options,
  })
  return Buffer.from(built.outputFiles[0].contents)
}

// A name with the content's hash is cached for ever; the digit in front makes it one to the node.
const hashOf = (bytes) => `0${createHash('sha256').update(bytes).digest('hex').slice(0, 10)}`

const script = await bundle('main.tsx', { format: 'esm' })
const style = await bundle('style.css')
const names = { script: `app-${hashOf(script)}.js`, style: `style-${hashOf(style)}.css` }
const page = readFileSync(path.join(source, 'index.html'), 'utf8')
  .replace('STYLE', names.style).replace('SCRIPT', names.script)
const files = {
  [names.script]: script,
  [names.style]: style,
  'worker.js': await bundle('worker.ts', { format: 'iife' }),
  'icon.svg': readFileSync(path.join(source, 'icon.svg')),
  'index.html': Buffer.from(page),
}

rmSync(target, { recursive: true, force: true })
mkdirSync(target, { recursive: true })
let total = 0
for (const [name, bytes] of Object.entries(files)) {
  const packed = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
  })
  total += packed.length
  writeFileSync(path.join(target, name), bytes)
  writeFileSync(path.join(target, `${name}.br`), packed)
}
console.error(`${target}: ${(total / 1024).toFixed(1)} KiB as brotli`)
if (total > kBrotliBytesMax) {
  console.error(`The page may have ${kBrotliBytesMax / 1024} KiB.`)
  process.exit(1)
}
