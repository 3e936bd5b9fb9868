// Writers: people with real Chromium windows, each on a node of a real cluster, for the tests.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

import { chromium } from 'playwright-core'

import { Cluster, until } from '../../tests/providers/cluster.mjs'

const webRoot = fileURLToPath(new URL('../dist', import.meta.url))
export const pictures = process.env.COTERIE_PICTURES // A folder for screenshots.
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browser
export const complaints = [] // What the pages' consoles and the policy had to say.
export const hosts = ['127.0.0.1'] // Of the cluster's nodes; requests to others are complaints.

export const startCluster = (options = {}) => Cluster.start(3, { webRoot, ...options })
export async function openBrowser(flags = []) {
  browser = await chromium.launch({
    executablePath: process.env.COTERIE_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      ...flags],
  })
}
export const closeBrowser = () => browser?.close()

// Somebody with a browser, logged in on that node.
export class Writer {
  static async at(base, name, options = {}) {
    const writer = new Writer()
    writer.name = name
    writer.base = base
    const viewport = { width: 1100, height: 760 }
    writer.context = await browser.newContext({ viewport, ...options })
    writer.page = await writer.context.newPage()
    writer.page.setDefaultTimeout(10_000)
    writer.page.on('console', (message) => {
      if (/Content Security Policy|TrustedHTML|Uncaught/.test(message.text())) {
        complaints.push(message.text())
      }
    })
    writer.page.on('pageerror', (error) => complaints.push(String(error)))
    writer.page.on('request', (request) => {
      const { hostname, protocol } = new URL(request.url())
      if (/^(http|ws)/.test(protocol) && !hosts.includes(hostname)) complaints.push(request.url())
    })
    await writer.page.goto(writer.base)
    await writer.page.getByLabel('Your name').fill(name)
    await writer.page.getByRole('button', { name: 'Start writing' }).click()
    await writer.page.getByRole('heading', { name: 'Documents' }).waitFor()
    return writer
  }
  get content() { return this.page.locator('.cm-content') }
  get status() { return this.page.locator('.pill') }
  // The node that the open document is with, as the status says to who stays on it.
  async isWith() {
    const details = await this.page.locator('#pill-details').textContent()
    const [, node] = / is with (\S+)\.$/.exec(details)
    return node
  }
  async create(document) {
    await this.page.getByLabel('Name of the new document').fill(document)
    await this.page.getByRole('button', { name: 'Create' }).click()
    await this.untilStatus(/Saved/)
  }
  async open(document) {
    const hash = `#/d/${encodeURIComponent(document)}`
    await this.page.evaluate((to) => { location.hash = to }, hash)
    await this.page.locator('.cm-content').waitFor()
    await this.untilStatus(/Saved|Read-only/)
  }
  // Without carets' labels and what is only suggested, which are no text.
  async text() {
    return this.content.evaluate((element) => [...element.querySelectorAll('.cm-line')]
      .map((line) => {
        const copy = line.cloneNode(true)
        copy.querySelectorAll('.peer-caret, .cm-placeholder, .suggestion-ins')
          .forEach((extra) => extra.remove())
        return copy.textContent.replaceAll('\u200b', '')
      }).join('\n'))
  }
  async type(text, delay = 0) {
    await this.content.focus()
    await this.page.keyboard.press('Control+End')
    await this.page.keyboard.type(text, { delay })
  }
  // At once, as if it were pasted.
  async insert(text) {
    await this.content.focus()
    await this.page.keyboard.press('Control+End')
    await this.page.keyboard.insertText(text)
  }
  // From a clipboard; made in the page, as it may be large.
  async paste(letter, count) {
    await this.content.evaluate((element, [text, times]) => {
      const clipboardData = new globalThis.DataTransfer()
      clipboardData.setData('text/plain', text.repeat(times))
      element.focus()
      element.dispatchEvent(new globalThis.ClipboardEvent('paste',
        { clipboardData, bubbles: true, cancelable: true }))
    }, [letter, count])
  }
  // What a screen reader would say of what happens.
  get announced() { return this.page.locator('#announcements') }
  untilStatus(pattern, timeoutMs = 10_000) {
    let seen = ''
    return until(`${this.name} reads ${pattern}`, async () => {
      seen = await this.status.textContent({ timeout: 1_000 }).catch(() => '')
      return pattern.test(seen)
    }, timeoutMs).catch((error) => { throw new Error(`${error.message}; but read: ${seen}`) })
  }
  async untilText(expected, timeoutMs = 10_000) {
    let seen = ''
    await until(`${this.name} sees ${expected}`, async () => {
      seen = await this.text()
      return seen.includes(expected)
    }, timeoutMs).catch((error) => { throw new Error(`${error.message}; but saw: ${seen}`) })
  }
  async picture(name) {
    if (pictures) await this.page.screenshot({ path: `${pictures}/${name}.png` })
  }
  // Axe's serious and critical findings on what is shown now.
  async assertAccessible(where) {
    await this.page.evaluate(axe)
    // What is fading in has no colours of its own yet. Some turn for ever.
    await this.page.evaluate(() => Promise.allSettled(document.getAnimations()
      .filter((each) => Number.isFinite(each.effect.getComputedTiming().endTime))
      .map((each) => each.finished)))
    const found = await this.page.evaluate(async () => (await globalThis.axe.run(document, {
      resultTypes: ['violations'] })).violations
      .filter((each) => ['serious', 'critical'].includes(each.impact))
      .map((each) => `${each.id}: ${each.nodes.map((node) => node.html).slice(0, 3)}`))
    assert.deepEqual(found, [], where)
  }
  close() { return this.context.close() }
}
