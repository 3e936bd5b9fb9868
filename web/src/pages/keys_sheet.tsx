// All keys: those of what is shown now, and those of the editor itself.
import { commandGroups, type Group } from '../browser/commands'
import { labelHere } from '../browser/keys'
import { Dialog, DialogHead } from './dialog'

type Row = [readonly string[], string]

const kInTheText: Row[] = [
  [['Mod-f'], 'Find and replace'],
  [['Mod-z'], "Undo one's own edits"], [['Mod-y', 'Mod-Shift-z'], 'Redo them'],
  [['F8', 'Shift-F8'], 'Next, previous suggestion'],
  [['Mod-Enter'], 'Accept the one at the caret'],
  [['Mod-Shift-Enter'], 'Reject the one at the caret'],
  [['Tab'], 'Leave the text, into the card of a suggestion'],
  [['Enter', 'Backspace'], 'Accept, reject it there, or in the list'],
]

function Keys({ rows }: { rows: Row[] }) {
  return (
    <dl class="keys">{rows.map(([keys, what]) => <div key={what}>
      <dt>{keys.map((each) => <kbd key={each}>{labelHere(each)}</kbd>)}</dt><dd>{what}</dd></div>)}
    </dl>
  )
}

const rowsOf = ({ commands }: Group): Row[] => commands
  .flatMap(({ keys, title }): Row[] => (keys ? [[keys, title]] : []))

export function KeysSheet() {
  const groups = commandGroups().filter((group) => rowsOf(group).length > 0)
  const hasText = groups.some(({ name }) => name === 'Document')
  return (
    <Dialog label="Keyboard" kind="sheet">
      <section aria-label="Keys">
        <DialogHead title="Keys" />
        <div class="key-groups">
          {groups.map((group) => <div key={group.name}>
            <h3>{group.name}</h3><Keys rows={rowsOf(group)} /></div>)}
          {hasText && <div><h3>In the text</h3><Keys rows={kInTheText} /></div>}
        </div>
      </section>
    </Dialog>
  )
}
