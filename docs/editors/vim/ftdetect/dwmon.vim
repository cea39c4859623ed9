autocmd BufNewFile,BufRead *.dwmon,*.dwmonsample setfiletype dwmon
