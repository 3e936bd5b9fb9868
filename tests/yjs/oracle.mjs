#!/usr/bin/env node
// The real Yjs behind two pipes. One request is one line: a JSON array of commands, each an array
// ["verb", arguments...] (world.mjs lists them). One line answers it: a JSON array with one result
// for each command, or {"error": "..."} for one that failed; the commands after it still run.
// ["reset"] forgets all documents; a request may begin with it. Bytes travel in base64.
//
//   echo '[["doc.new",1,{"client":1}],["edit",1,["text.insert","t:t",0,"abc"]],["view",1]]' |
//     node oracle.mjs
//
// It ends when its input does.
import { createInterface } from 'node:readline'
import { kCommands, World } from './world.mjs'

// Yjs reports on the console what is answered here as an error, or is wanted.
console.warn = console.error = console.log = () => {}

process.stdout.on('error', () => process.exit(0)) // Nobody listens any more.

let world = new World()

const perform = ([verb, ...rest]) => {
  if (verb === 'reset') {
    world = new World()
    return null
  }
  const command = kCommands[verb]
  if (command === undefined) return { error: `no such command: ${verb}` }
  try {
    return command(world, ...rest) ?? null
  } catch (error) {
    return { error: String(error?.message ?? error) }
  }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let answer
  try {
    answer = JSON.parse(line).map(perform)
  } catch (error) {
    answer = [{ error: `not a request: ${error.message}` }]
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
