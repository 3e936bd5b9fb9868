// A phone's keyboard covers the page's lower part, or moves the page up: the page is made as high as
// what is seen of it, so that the bar with the formats stands above the keyboard.
export function followViewport(): void {
  const seen = window.visualViewport
  if (!seen) return
  const follow = () => {
    const isZoomed = seen.scale > 1.01 // By the reader's own fingers.
    document.documentElement.style.setProperty('--height', isZoomed ? '100%' : `${seen.height}px`)
    if (!isZoomed) scrollTo(0, 0)
  }
  seen.addEventListener('resize', follow)
}
