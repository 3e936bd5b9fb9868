import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Markdown } from '../../src/text/markdown'
import { htmlOf } from './elements'

const shown = (source: string): string =>
  htmlOf(Markdown({ source })).replace(/^<div class="prose">/, '').replace(/<\/div>$/, '')
// Its letters alone.
const read = (source: string): string => shown(source).replace(/<[^>]*>/g, '')

test('a cell of a table has its text, with marks and without', () => {
  assert.equal(shown('| Name | *When* |\n|---|---|\n| plain | a **b** c |\n'),
    '<table><tr><th>Name</th><th><em>When</em></th></tr>' +
    '<tr><td>plain</td><td>a <strong>b</strong> c</td></tr></table>')
  assert.equal(shown('a | b\n--|--\n`x` | <i>\n'),
    '<table><tr><th>a</th><th>b</th></tr><tr><td><code>x</code></td><td>&lt;i></td></tr></table>')
})

test('a heading keeps the blanks around its marks', () => {
  assert.equal(shown('#  a *b* c\n'), '<h1>a <em>b</em> c</h1>')
})

test('an empty cell keeps its column', () => {
  assert.equal(shown('| a | b | c |\n|---|---|---|\n| 1 |  | 3 |\n|  | 2 |\n'),
    '<table><tr><th>a</th><th>b</th><th>c</th></tr>' +
    '<tr><td>1</td><td></td><td>3</td></tr><tr><td></td><td>2</td></tr></table>')
})

test('lists, tasks and quotes keep their text', () => {
  assert.equal(shown('- one\n- [x] done\n'),
    '<ul><li><p>one</p></li><li><span><input type="checkbox" checked="true" disabled="true" ' +
    'aria-label="done"></input> done</span></li></ul>')
  assert.equal(shown('3. *three*\n4. four\n'),
    '<ol start="3"><li><p><em>three</em></p></li><li><p>four</p></li></ol>')
  assert.equal(read('> a quote\n> in *two* lines\n'), 'a quote\n in two lines')
})

test('code in a quote keeps its lines', () => {
  assert.equal(shown('> ```c\n> a\n> b\n> ```\n'),
    '<blockquote><pre><code>a\nb</code></pre></blockquote>')
  assert.equal(shown('    a\n\n    b\n'), '<pre><code>a\n\nb</code></pre>')
})

test('what only looks like a link is shown as it was written', () => {
  assert.equal(shown('a[0] and [*x*][y]'), '<p>a[0] and [<em>x</em>][y]</p>')
  assert.equal(shown('![p][q]'), '<p>![p][q]</p>')
  assert.equal(shown('[b]()'), '<p><span>b</span></p>')
})

test('a link may have its address elsewhere', () => {
  const link = '<a href="https://a.example" target="_blank" rel="noopener noreferrer">b</a>'
  assert.equal(shown('[b](https://a.example)'), `<p>${link}</p>`)
  assert.equal(shown('[b][C  d]\n\n[c D]: https://a.example "title"\n'), `<p>${link}</p>`)
  assert.equal(shown('[b]\n\n[b]: https://a.example\n'), `<p>${link}</p>`)
  assert.equal(shown('[b][]\n\n[b]: https://a.example\n'), `<p>${link}</p>`)
})

test('no link runs anything, and no HTML becomes an element', () => {
  assert.equal(shown('[b](javascript:alert(1))'), '<p><span>b</span></p>')
  assert.equal(shown('[b]\n\n[b]: javascript:alert(1)\n'), '<p><span>b</span></p>')
  assert.equal(shown('<b onclick=x>'), '&lt;b onclick=x>')
  assert.equal(read('a <img src=x> &amp; <!-- c -->'), 'a &lt;img src=x> &amp; &lt;!-- c -->')
})

test('no kind of node loses letters', () => {
  const source = '# One\n\nTwo\n===\n\nthree *four* **five** ~~six~~ `seven` \\* eight\\\nnine\n\n' +
    '***\n\n<http://ten.example> www.eleven.example\n\n- twelve\n\n  thirteen\n\n' +
    '<div>\nfourteen\n</div>\n\n<?fifteen?>\n\n```x\nsixteen\n```\n\n![seventeen](a.png)\n'
  const letters = read(source)
  for (const word of ('One Two three four five six seven eight nine ten eleven twelve thirteen ' +
    'fourteen fifteen sixteen seventeen').split(' ')) {
    assert.match(letters, new RegExp(word))
  }
})
