-- Prints the syntax group of each piece of faults.dwmon. What SQL, JSON and YAML are
-- coloured as is Neovim's business.
vim.opt.runtimepath:prepend('../../docs/editors/vim')
vim.cmd('filetype plugin on')
vim.cmd('syntax on')
vim.cmd('edit testdata/faults.dwmon')
io.stdout:write('filetype ' .. vim.bo.filetype .. '\n')
for l = 1, vim.fn.line('$') do
  local text, last, out = vim.fn.getline(l), nil, {}
  for c = 1, #text do
    local name = vim.fn.synIDattr(vim.fn.synID(l, c, 1), 'name')
    if name ~= '' and not name:match('^dwmon') or name:match('^dwmon[QEO]') then name = 'embedded' end
    if name ~= last then
      table.insert(out, '|' .. name .. ':')
      last = name
    end
    table.insert(out, text:sub(c, c))
  end
  io.stdout:write(table.concat(out) .. '\n')
end
