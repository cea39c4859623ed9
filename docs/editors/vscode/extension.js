// Starts `dwmon lsp` for checker files, their unit tests, and dwmon.yaml.
'use strict';

const vscode = require('vscode');
const {LanguageClient, TransportKind} = require('vscode-languageclient/node');

let client;

function activate() {
  const settings = vscode.workspace.getConfiguration('dwmon');
  const args = ['lsp'];
  if (settings.get('config')) {
    args.push('--config', settings.get('config'));
  }
  const server = {command: settings.get('path'), args, transport: TransportKind.stdio};
  client = new LanguageClient('dwmon', 'dwmon', server, {
    documentSelector: [
      {language: 'dwmon'},
      {scheme: 'file', pattern: '**/dwmon.yaml'},
      {scheme: 'file', pattern: '**/*.dwmontest.yaml'},
    ],
  });
  return client.start();
}

function deactivate() {
  return client && client.stop();
}

module.exports = {activate, deactivate};
