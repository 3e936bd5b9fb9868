// For fingers: the formats that others have keys for, above a phone's own keyboard.
import type { ComponentChildren, RefObject } from 'preact'

import type { Editor } from '../editor/editor'
import type { Format } from '../editor/formatting'

const kFormats: [Format, string, ComponentChildren][] = [
  ['bold', 'Bold', <b>B</b>], ['italic', 'Italic', <i>I</i>], ['heading', 'Heading', 'H'],
  ['bullets', 'List', '•'], ['tasks', 'Tasks', '☑'], ['quote', 'Quotation', '❝'],
  ['link', 'Link', '↗'],
]

export function FormatBar({ editor }: { editor: RefObject<Editor> }) {
  return (
    // The text keeps the focus, and the keyboard stays.
    <div class="formats" role="toolbar" aria-label="Format"
      onPointerDown={(event) => event.preventDefault()}>
      {kFormats.map(([what, title, sign]) => (
        <button key={what} type="button" aria-label={title} tabIndex={-1}
          onClick={() => editor.current?.format(what)}>{sign}</button>))}
      <button type="button" aria-label="Undo" tabIndex={-1}
        onClick={() => editor.current?.undo()}>↶</button>
      <button type="button" aria-label="Redo" tabIndex={-1}
        onClick={() => editor.current?.redo()}>↷</button>
    </div>
  )
}
