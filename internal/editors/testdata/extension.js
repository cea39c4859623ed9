// Activates the extension with stand-ins for VS Code and its client library, and
// prints what it asks of them.
//
//   node extension.js EXTENSION
'use strict';

const Module = require('module');
const load = Module._load;
const settings = {path: '/opt/dwmon', config: '/etc/dwmon.yaml'};
const stubs = {
  vscode: {workspace: {getConfiguration: () => ({get: (key) => settings[key]})}},
  'vscode-languageclient/node': {
    TransportKind: {stdio: 0},
    LanguageClient: class {
      constructor(...args) { console.log(JSON.stringify(args)); }
      async start() { console.log('started'); }
      async stop() { console.log('stopped'); }
    },
  },
};
Module._load = (name, ...rest) => stubs[name] || load(name, ...rest);

const extension = require(process.argv[2]);
extension.activate().then(() => extension.deactivate());
