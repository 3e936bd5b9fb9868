// Builds the page into dist/ (or the folder given): a script, parts that it loads later, a style
// sheet, all with a hash in their names, each with a brotli and a gzip copy beside it. Fails when all of it
// together is larger than the page may be.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

import { build } from 'esbuild'

const kBrotliBytesMax = 180 * 1024
const source = new URL('src/', import.meta.url).pathname
const target = path.resolve(process.argv[2] ?? new URL('dist/', import.meta.url).pathname)

// The files that come of an entry, by their names.
async function bundle(entryPoints, options = {}) {
  const built = await build({
    entryPoints, bundle: true, minify: true, write: false, metafile: true,
    target: ['chrome111', 'firefox113', 'safari16.4'], legalComments: 'none', outdir: target,
    jsx: 'automatic', jsxImportSource: 'preact', logLevel: 'warning', ...options,
  })
  const files = Object.fromEntries(built.outputFiles.map(({ path: name, contents }) =>
    [path.basename(name), Buffer.from(contents)]))
  return { files, outputs: Object.entries(built.metafile.outputs) }
}
const entry = (name) => path.join(source, name)

// A name with the content's hash is cached for ever; the digit in front makes it one to the node.
const names = { entryNames: '[name]-0[hash]', chunkNames: 'part-0[hash]' }
const scripts = await bundle({ app: entry('main.tsx') },
  { format: 'esm', splitting: true, ...names })
const styles = await bundle({ style: entry('style.css') }, names)
const worker = await bundle({ worker: entry('worker.ts') }, { format: 'iife' })

const [script, { imports }] = scripts.outputs.find(([, { entryPoint }]) =>
  entryPoint?.endsWith('main.tsx'))
const isNow = new Set(imports.filter(({ kind }) => kind === 'import-statement')
  .map(({ path: name }) => path.basename(name)))
const [style] = Object.keys(styles.files)
// What is imported at once, and what is later: the service worker keeps all that is named here.
const more = Object.keys(scripts.files).filter((name) => name !== path.basename(script))
  .map((name) => `<link rel="${isNow.has(name) ? 'modulepreload' : 'prefetch'}" href="/${name}">`)
const page = readFileSync(entry('index.html'), 'utf8').replace('STYLE', style)
  .replace('SCRIPT', path.basename(script)).replace('MORE', more.join('\n'))
const files = {
  ...scripts.files, ...styles.files, ...worker.files,
  'icon.svg': readFileSync(entry('icon.svg')),
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
  // Browsers take brotli over HTTPS and from localhost alone.
  writeFileSync(path.join(target, `${name}.gz`), gzipSync(bytes, { level: 9 }))
}
console.error(`${target}: ${(total / 1024).toFixed(1)} KiB as brotli`)
if (total > kBrotliBytesMax) {
  console.error(`The page may have ${kBrotliBytesMax / 1024} KiB.`)
  process.exit(1)
}
