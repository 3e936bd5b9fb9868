// Keys as they are written down ('Mod-Alt-p', '?', 'Escape'), as they are pressed and as they are
// shown. Mod is the Command key of a Mac, and Ctrl elsewhere.

export interface Press {
  key: string
  code: string
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  shiftKey: boolean
  getModifierState(name: string): boolean
}

const isLetter = (name: string): boolean => /^[a-z]$/i.test(name)

// While somebody types, only what types nothing is a command.
export function isPressed(keys: string, press: Press, isTyping: boolean): boolean {
  const parts = keys.split('-')
  const name = parts.at(-1) ?? ''
  const withMod = parts.includes('Mod')
  const withAlt = parts.includes('Alt')
  // AltGr writes letters, ł and ś for example, and looks like Ctrl and Alt together.
  if (press.getModifierState('AltGraph')) return false
  if (withMod !== (press.ctrlKey || press.metaKey) || withAlt !== press.altKey) return false
  if (isTyping && !withMod && name !== 'Escape') return false
  // A sign may need Shift on one keyboard and not on another.
  if (isLetter(name) && press.shiftKey !== parts.includes('Shift')) return false
  if (press.key.toLowerCase() === name.toLowerCase()) return true
  // Alt makes another sign of it, and not every alphabet has these letters.
  const isElsewhere = withAlt || press.key.charCodeAt(0) > 0x7f
  return isElsewhere && press.code === `Key${name.toUpperCase()}`
}

const kMac: Record<string, string> = { Mod: '⌘', Alt: '⌥', Shift: '⇧' }
const kOther: Record<string, string> = { Mod: 'Ctrl' }
const kNames: Record<string, string> = { Escape: 'Esc', Enter: 'Enter' }

export function keyLabel(keys: string, isMac: boolean): string {
  const parts = keys.split('-').map((part) =>
    (isMac ? kMac[part] : kOther[part]) ?? kNames[part] ?? (isLetter(part) ? part.toUpperCase() : part))
  return parts.join(isMac ? '' : ' ')
}

export const isMac = (): boolean => /Mac|iPhone|iPad/.test(navigator.userAgent)
export const labelHere = (keys: string): string => keyLabel(keys, isMac())
