// Prints how a grammar colours files: each line, and below it each token with its
// scopes. The libraries are those that VS Code itself uses.
//
//   node tokens.js NODE_MODULES GRAMMAR FILE…
'use strict';

const fs = require('fs');
const path = require('path');

const [modules, own, ...files] = process.argv.slice(2);
const use = (name) => require(path.join(modules, name));
const {Registry, INITIAL} = use('vscode-textmate');
const oniguruma = use('vscode-oniguruma');

const grammars = {
  'source.dwmon': own,
  'source.sql': path.join(modules, 'tm-grammars/grammars/sql.json'),
  'source.json': path.join(modules, 'tm-grammars/grammars/json.json'),
  'source.yaml': path.join(modules, 'tm-grammars/grammars/yaml.json'),
};

async function main() {
  const wasm = fs.readFileSync(path.join(modules, 'vscode-oniguruma/release/onig.wasm'));
  await oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength));
  const registry = new Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (scope) => scope in grammars
      ? JSON.parse(fs.readFileSync(grammars[scope], 'utf8'))
      : null,
  });
  const grammar = await registry.loadGrammar('source.dwmon');
  for (const file of files) {
    console.log('== ' + path.basename(file));
    let state = INITIAL;
    for (const line of fs.readFileSync(file, 'utf8').replace(/\n$/, '').split('\n')) {
      console.log('> ' + line);
      const found = grammar.tokenizeLine(line, state);
      state = found.ruleStack;
      for (const token of found.tokens) {
        const text = line.slice(token.startIndex, token.endIndex);
        const scopes = token.scopes.slice(1).join(' ');
        if (text.trim() && scopes) console.log('    ' + text.trim() + '    ' + scopes);
      }
    }
  }
}

main().catch((err) => { console.error(err); process.exit(1); });
