// For the examples that have a bundler: which node, document and user the page's address names, the
// user's token, and what the page says of itself. A development cluster makes a user of a new name.
const parameters = new URLSearchParams(location.search)
export const node = parameters.get('node') ?? 'http://127.0.0.1:8080'
export const documentName = parameters.get('document') ?? 'notes'
export const user = parameters.get('user') ?? 'guest'

const status = document.getElementById('status')
let failure = ''
let token = '' // One session, however often the editor connects.

// Who is not let in is told why, and not whether something is saved.
export function say(text) { status.textContent = failure || text }
export function fail(reason) {
  token = '' // It may be over: the next connection logs in anew.
  failure ||= reason
  say('')
}

export async function login() {
  failure = ''
  if (token) return token
  try {
    const answer = await fetch(`${node}/coterie.v1.AuthService/Login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user }),
    })
    const body = await answer.json()
    if (!answer.ok) throw new Error(body.message)
    token = body.token
    return token
  } catch (error) {
    fail(`${user} cannot log in at ${node}: ${error.message}`)
    throw error
  }
}
