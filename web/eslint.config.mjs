// What tsc does not say about the page's source: promises that nobody awaits, `any` that spreads,
// hooks that are called now and then.
import eslint from '@eslint/js'
import hooks from 'eslint-plugin-react-hooks'
import typescript from 'typescript-eslint'

export default typescript.config(
  { ignores: ['dist/', 'node_modules/'] },
  {
    files: ['src/**/*.{ts,tsx}', 'test/**/*.ts'],
    extends: [eslint.configs.recommended, ...typescript.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    plugins: { 'react-hooks': hooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-restricted-properties': ['error',
        { property: 'innerHTML', message: 'The page makes elements, never HTML.' },
        { property: 'outerHTML', message: 'The page makes elements, never HTML.' }],
      // Numbers are what templates are for; a line `if (x) return f()` of a void f is fine here.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-base-to-string': ['error',
        { ignoredTypeNames: ['YText', 'File'] }],
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls:
        [{ from: 'package', name: ['test', 'describe'], package: 'node:test' }] }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
    },
  },
  {
    files: ['**/*.mjs'],
    extends: [eslint.configs.recommended],
    languageOptions: { globals: {
      Buffer: 'readonly', URL: 'readonly', console: 'readonly', document: 'readonly',
      fetch: 'readonly', globalThis: 'readonly', location: 'readonly', navigator: 'readonly',
      process: 'readonly', setTimeout: 'readonly', clearTimeout: 'readonly',
    } },
  },
)
