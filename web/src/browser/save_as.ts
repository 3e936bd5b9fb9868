// Hands a text to the browser as a file.
export function saveAs(name: string, text: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/markdown' }))
  link.download = name.endsWith('.md') ? name : `${name}.md`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000)
}
