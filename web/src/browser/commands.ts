// What can be done right now, by whoever shows something: with keys, from the palette, and listed on
// the sheet of keys.
import { useEffect, useRef } from 'preact/hooks'

import { isPressed } from './keys'

export interface Command {
  title: string
  keys?: readonly string[] // Each of them, as in keys.ts.
  isOff?: boolean
  isKeyOnly?: boolean // No line of the palette.
  run: () => void
}
export interface Group { name: string; commands: readonly Command[] }

const groups = new Map<object, Group>() // By who shows it, in the order of coming.

export const kEverywhere = 'Everywhere'

// Those of the page, then those of all pages.
export const commandGroups = (): Group[] => [...groups.values()]
  .sort((a, b) => Number(a.name === kEverywhere) - Number(b.name === kEverywhere))

export function useCommands(name: string, commands: readonly Command[]): void {
  const owner = useRef({})
  groups.set(owner.current, { name, commands })
  useEffect(() => {
    const key = owner.current
    return () => { groups.delete(key) }
  }, [])
}

const isTypingIn = (target: EventTarget | undefined): boolean => target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName))

function commandOf(event: KeyboardEvent): Command | null {
  const isTyping = isTypingIn(event.composedPath()[0])
  const isModal = document.querySelector('dialog[open]') !== null
  for (const { name, commands } of commandGroups()) {
    if (isModal && name !== kEverywhere) continue
    for (const command of commands) {
      const isIt = command.keys?.some((keys) => isPressed(keys, event, isTyping))
      if (isIt && !command.isOff) return command
    }
  }
  return null
}

// Before the editor, which has other ideas of some keys; but Escape after all that it may close.
export function listenForKeys(): void {
  const onKey = (event: KeyboardEvent, isEscape: boolean) => {
    if ((event.key === 'Escape') !== isEscape || event.defaultPrevented || event.isComposing) return
    const command = commandOf(event)
    if (!command) return
    event.preventDefault()
    event.stopPropagation()
    command.run()
  }
  addEventListener('keydown', (event) => onKey(event, false), true)
  addEventListener('keydown', (event) => onKey(event, true))
}
