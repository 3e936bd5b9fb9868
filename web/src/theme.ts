// Light or dark: as the system, unless it was chosen here.
const kKey = 'coterie.theme'

export function applyTheme(): void {
  const chosen = localStorage.getItem(kKey)
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
}

export function toggleTheme(): void {
  const root = document.documentElement
  const isDark = root.dataset.theme
    ? root.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches
  root.dataset.theme = isDark ? 'light' : 'dark'
  localStorage.setItem(kKey, root.dataset.theme)
}
