// Markdown by keys and buttons: signs around what is selected, signs before its lines, and lists
// that go on with the next line.
import { syntaxTree } from '@codemirror/language'
import {
  type ChangeSpec, EditorSelection, type EditorState, type StateCommand, type TransactionSpec,
} from '@codemirror/state'

export type Format = 'bold' | 'italic' | 'code' | 'link' | 'heading' | 'bullets' | 'numbers' |
  'tasks' | 'quote'

const kRunMax = 3 // Stars in a row that mean something.

// How many of `sign`'s character stand before (step -1) or behind (step 1) `at`.
function runAt(state: EditorState, sign: string, at: number, step: 1 | -1): number {
  let run = 0
  for (; run < kRunMax; ++run) {
    const letter = step === 1 ? at + run : at - run - 1
    if (letter < 0 || state.sliceDoc(letter, letter + 1) !== sign.charAt(0)) break
  }
  return run
}

// One star is italic, two are bold, and three are both.
const isMarked = (sign: string, run: number): boolean =>
  (sign === '*' ? run === 1 || run === 3 : run >= sign.length)

function around(sign: string): (state: EditorState) => TransactionSpec {
  return (state) => state.changeByRange((range) => {
    const { from, to } = range
    const size = sign.length
    const run = Math.min(runAt(state, sign, from, -1), runAt(state, sign, to, 1))
    if (isMarked(sign, run)) {
      return {
        changes: [{ from: from - size, to: from }, { from: to, to: to + size }],
        range: EditorSelection.range(range.anchor - size, range.head - size),
      }
    }
    return {
      changes: [{ from, insert: sign }, { from: to, insert: sign }],
      range: EditorSelection.range(range.anchor + size, range.head + size),
    }
  })
}

// What is selected becomes the name of a link, whose address is written next.
const link = (state: EditorState): TransactionSpec => state.changeByRange(({ from, to, empty }) => ({
  changes: [{ from, insert: '[' }, { from: to, insert: ']()' }],
  range: EditorSelection.cursor(empty ? from + 1 : to + 3),
}))

const kPrefix = /^(\s*)(#{1,6}\s|>\s?|[-*+]\s(?:\[[ xX]\]\s)?|\d{1,9}[.)]\s)?/
const kSigns: Record<'bullets' | 'numbers' | 'tasks' | 'quote', (index: number) => string> = {
  bullets: () => '- ', numbers: (index) => `${index + 1}. `, tasks: () => '- [ ] ', quote: () => '> ',
}
const kHeadings: Record<string, string> = { '': '# ', '# ': '## ', '## ': '### ' }

// Lines that all have the sign lose it; else each has it, in place of another.
function before(signOf: (index: number, before: string) => string):
    (state: EditorState) => TransactionSpec {
  return (state) => {
    const changes: ChangeSpec[] = []
    for (const { from, to } of state.selection.ranges) {
      const first = state.doc.lineAt(from).number
      const last = state.doc.lineAt(to).number
      for (let number = first; number <= last; ++number) {
        const line = state.doc.line(number)
        if (line.text === '' && first !== last) continue
        const [, indent = '', known = ''] = kPrefix.exec(line.text) ?? []
        const sign = signOf(number - first, known)
        const at = line.from + indent.length
        changes.push({ from: at, to: at + known.length, insert: sign === known ? '' : sign })
      }
    }
    // The caret stays behind what comes to stand before it.
    const set = state.changes(changes)
    return { changes: set, selection: state.selection.map(set, 1) }
  }
}

const kFormats: Record<Format, (state: EditorState) => TransactionSpec> = {
  bold: around('**'), italic: around('*'), code: around('`'), link,
  heading: before((_, known) => kHeadings[known] ?? known),
  bullets: before(kSigns.bullets), numbers: before(kSigns.numbers), tasks: before(kSigns.tasks),
  quote: before(kSigns.quote),
}

export const format = (what: Format): StateCommand => ({ state, dispatch }) => {
  if (state.readOnly) return false
  dispatch(state.update(kFormats[what](state), { userEvent: 'input.format', scrollIntoView: true }))
  return true
}

const kListLine = /^(\s*(?:>\s?)*)([-*+]|(\d{1,9})([.)]))(\s+)(\[[ xX]\]\s+)?/
const kQuoteLine = /^\s*(?:>\s?)+/

function nextPrefix(line: string): { now: string; next: string } | null {
  const list = kListLine.exec(line)
  if (list) {
    const [now, lead = '', bullet = '', number, dot = '', space = '', task] = list
    const sign = number === undefined ? bullet : `${Number(number) + 1}${dot}`
    return { now, next: `${lead}${sign}${space}${task ? '[ ] ' : ''}` }
  }
  const quote = kQuoteLine.exec(line)
  return quote ? { now: quote[0], next: quote[0] } : null
}

function isCode(state: EditorState, at: number): boolean {
  for (let node = syntaxTree(state).resolveInner(at, -1).node; ; ) {
    if (/Code/.test(node.name)) return true
    if (!node.parent) return false
    node = node.parent
  }
}

// Enter: the list, or the quotation, goes on; in an empty item of it, it ends.
export const continueMarkup: StateCommand = ({ state, dispatch }) => {
  const { main, ranges } = state.selection
  if (state.readOnly || ranges.length > 1 || !main.empty) return false
  const line = state.doc.lineAt(main.head)
  const prefix = nextPrefix(line.text)
  if (!prefix || main.head < line.from + prefix.now.length || isCode(state, main.head)) return false
  const isEmpty = line.text.length === prefix.now.length
  const changes = isEmpty ? { from: line.from, to: line.to }
    : { from: main.head, insert: `${state.lineBreak}${prefix.next}` }
  const caret = isEmpty ? line.from : main.head + state.lineBreak.length + prefix.next.length
  dispatch(state.update({ changes, selection: EditorSelection.cursor(caret) },
    { userEvent: 'input', scrollIntoView: true }))
  return true
}
