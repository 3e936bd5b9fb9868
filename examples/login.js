// For the examples that have a bundler: which node, document and user the page's address names, and
// the user's token. A development cluster makes a user of a new name.
const parameters = new URLSearchParams(location.search)
export const node = parameters.get('node') ?? 'http://127.0.0.1:8080'
export const documentName = parameters.get('document') ?? 'notes'
export const user = parameters.get('user') ?? 'mia'

export async function login() {
  const answer = await fetch(`${node}/coterie.v1.AuthService/Login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
  })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.message)
  return body.token
}
