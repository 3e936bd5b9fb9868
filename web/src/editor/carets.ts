// The others' carets and selections. Colours are classes: a peer's own colour would be a style of a
// peer's choice in this page.
import { RangeSetBuilder } from '@codemirror/state'
import {
  Decoration, type DecorationSet, EditorView, ViewPlugin, type ViewUpdate, WidgetType,
} from '@codemirror/view'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'

import { colorIndex } from '../document/colors'
import { peopleIn } from '../document/people'

class Caret extends WidgetType {
  private readonly color: number
  constructor(private readonly name: string) {
    super()
    this.color = colorIndex(name)
  }
  override eq(other: Caret): boolean {
    return other.name === this.name && other.color === this.color
  }
  override toDOM(): HTMLElement {
    const caret = document.createElement('span')
    caret.className = `peer-caret peer-${this.color}`
    caret.setAttribute('aria-hidden', 'true')
    const label = document.createElement('span')
    label.className = 'peer-label'
    label.textContent = this.name
    caret.append('\u2060', label, '\u2060')
    return caret
  }
  override get estimatedHeight(): number {
    return -1
  }
  override ignoreEvent(): boolean {
    return true
  }
}

function positionIn(text: Y.Text, json: unknown): number | null {
  const doc = text.doc
  if (doc === null || json === null || json === undefined) return null
  try {
    const relative = Y.createRelativePositionFromJSON(json)
    const found = Y.createAbsolutePositionFromRelativePosition(relative, doc)
    return found && found.type === text ? found.index : null
  } catch {
    return null // No position at all.
  }
}

interface Mark { begin: number; end: number; value: Decoration }

function marksOf(text: Y.Text, awareness: Awareness, length: number): DecorationSet {
  const marks: Mark[] = []
  for (const person of peopleIn(awareness)) {
    if (person.isSelf || !person.cursor) continue
    const anchor = positionIn(text, person.cursor.anchor)
    const head = positionIn(text, person.cursor.head)
    if (anchor === null || head === null || Math.max(anchor, head) > length) continue
    const begin = Math.min(anchor, head)
    const end = Math.max(anchor, head)
    if (begin < end) {
      const selection = Decoration.mark({ class: `peer-selection peer-${colorIndex(person.name)}` })
      marks.push({ begin, end, value: selection })
    }
    const side = head > anchor ? -1 : 1
    const caret = Decoration.widget({ widget: new Caret(person.name), side })
    marks.push({ begin: head, end: head, value: caret })
  }
  marks.sort((a, b) => a.begin - b.begin || a.value.startSide - b.value.startSide)
  const builder = new RangeSetBuilder<Decoration>()
  for (const mark of marks) builder.add(mark.begin, mark.end, mark.value)
  return builder.finish()
}

const jsonOf = (position: Y.RelativePosition): unknown => Y.relativePositionToJSON(position)

function tellCursor(view: EditorView, text: Y.Text, awareness: Awareness): void {
  if (awareness.getLocalState() === null) return
  const { anchor, head } = view.state.selection.main
  const cursor = view.hasFocus
    ? {
        anchor: jsonOf(Y.createRelativePositionFromTypeIndex(text, anchor)),
        head: jsonOf(Y.createRelativePositionFromTypeIndex(text, head)),
      }
    : null
  const told: unknown = awareness.getLocalState()?.cursor ?? null
  if (JSON.stringify(told) === JSON.stringify(cursor)) return
  awareness.setLocalStateField('cursor', cursor)
}

export function carets(text: Y.Text, awareness: Awareness) {
  return ViewPlugin.fromClass(
    class {
      decorations: DecorationSet
      private isStale = false
      constructor(private readonly view: EditorView) {
        this.decorations = marksOf(text, awareness, view.state.doc.length)
        awareness.on('change', this.onChange)
      }
      private readonly onChange = (change: { added: number[]; updated: number[];
        removed: number[] }) => {
        const all = [...change.added, ...change.updated, ...change.removed]
        if (all.every((client) => client === awareness.clientID) || this.isStale) return
        this.isStale = true
        requestAnimationFrame(() => {
          this.isStale = false
          this.view.dispatch({})
        })
      }
      update(update: ViewUpdate): void {
        if (update.selectionSet || update.docChanged || update.focusChanged) {
          // After the transaction: the Yjs text is as long as the editor's then.
          queueMicrotask(() => tellCursor(update.view, text, awareness))
        }
        this.decorations = marksOf(text, awareness, update.state.doc.length)
      }
      destroy(): void {
        awareness.off('change', this.onChange)
      }
    },
    { decorations: (plugin) => plugin.decorations },
  )
}
