// Runs the unit tests of test/unit with node's own runner, bundled as the page itself is.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'

import { build } from 'esbuild'

const source = new URL('unit/', import.meta.url).pathname
// Beside the page's packages, so that what is not bundled is found.
const target = mkdtempSync(new URL('../node_modules/.unit-', import.meta.url).pathname)
try {
  const tests = readdirSync(source).filter((name) => /\.test\.tsx?$/.test(name))
  await build({
    entryPoints: tests.map((name) => path.join(source, name)), outdir: target, bundle: true,
    platform: 'node', format: 'esm', outExtension: { '.js': '.mjs' }, sourcemap: 'inline',
    jsx: 'automatic', jsxImportSource: 'preact', logLevel: 'warning',
    // One copy of Yjs for the test and the source is a matter of bundling both together.
    external: ['node:*'],
  })
  const files = tests.map((name) => path.join(target, name.replace(/\.tsx?$/, '.mjs')))
  const run = spawnSync(process.execPath,
    ['--enable-source-maps', '--test', '--test-timeout=20000', ...files], { stdio: 'inherit' })
  process.exitCode = run.status ?? 1
} finally {
  rmSync(target, { recursive: true, force: true })
}
