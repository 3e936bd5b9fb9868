// Who has the document open, from the awareness. Everything in it was typed by somebody else.
import type { Awareness } from 'y-protocols/awareness'

import { learnColor } from './colors'

export interface Person {
  client: number
  name: string
  isSelf: boolean
  isAssistant: boolean // The model at work for somebody; it has no window of its own.
  cursor: { anchor: unknown; head: unknown } | null
}

type State = Record<string, unknown>
const record = (value: unknown): State | null =>
  typeof value === 'object' && value !== null ? (value as State) : null

export function peopleIn(awareness: Awareness): Person[] {
  const people: Person[] = []
  for (const [client, state] of awareness.getStates() as Map<number, State>) {
    if (client === 0) continue // The node's own.
    // `coterie.user` is the node's word, `user.name` is the peer's.
    const told = record(state.coterie)?.user ?? state['coterie.user']
    const user = record(state.user)
    const named = user?.name
    const who = typeof told === 'string' ? told : typeof named === 'string' ? named : 'somebody'
    const isAssistant = state.assistant === true
    const name = isAssistant ? `AI for ${who}` : who
    learnColor(name, user?.color)
    const cursor = record(state.cursor)
    people.push({
      client, name, isAssistant, isSelf: client === awareness.clientID,
      cursor: cursor ? { anchor: cursor.anchor, head: cursor.head } : null,
    })
  }
  return people.sort((a, b) => a.client - b.client)
}
