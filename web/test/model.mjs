// A real coterie-llm with a model whose answers are known: see src/llm/testing/test_models.h.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { until } from '../../tests/providers/cluster.mjs'

const bin = path.dirname(process.env.COTERIE_NODE_PROGRAM ?? '')
export const llm = path.join(bin, 'coterie-llm')
const maker = path.join(bin, 'coterie-test-model')

// Without llama.cpp there is neither.
export const hasModels = existsSync(llm) && existsSync(maker)

export class Model {
  static async start(kind = 'chain') {
    const model = new Model()
    model.folder = mkdtempSync(path.join(os.tmpdir(), 'coterie-model-'))
    const file = path.join(model.folder, `${kind}.gguf`)
    execFileSync(maker, [kind, file])
    model.process = spawn(llm, ['--model', file, '--listen', '127.0.0.1:0'])
    model.output = ''
    const read = (piece) => { model.output += piece }
    model.process.stdout.on('data', read)
    model.process.stderr.on('data', read)
    model.address = await until('the model is loaded', () => {
      if (model.process.exitCode !== null) throw new Error(model.output)
      return model.output.match(/ready at (\S+): /)?.[1]
    }, 60_000)
    return model
  }
  async stop(signal = 'SIGKILL') {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const ended = new Promise((resolve) => this.process.once('exit', resolve))
    this.process.kill(signal)
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}
