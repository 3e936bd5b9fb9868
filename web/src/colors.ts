// A writer's colour: one of twelve, by the name, so that everybody sees the same one. The page uses
// the class alone; the value is for other editors, which read it from the awareness.
const kColors = ['#2563eb', '#c2410c', '#15803d', '#9333ea', '#be123c', '#0e7490', '#a16207',
  '#4338ca', '#4d7c0f', '#a21caf', '#0f766e', '#b91c1c']

export function colorIndex(name: string): number {
  let hash = 2_166_136_261
  for (const character of name) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619)
  }
  return (hash >>> 0) % kColors.length
}
export const colorOf = (name: string): string => kColors[colorIndex(name)] ?? '#808080'
export const allColors = (): readonly string[] => kColors
