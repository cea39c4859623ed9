setlocal commentstring=#\ %s comments=:#
if executable('dwmon')
  setlocal makeprg=dwmon\ validate\ --format\ editor\ %:S
  setlocal errorformat=%f:%l:%c:\ %t%*[a-z]:\ %m
  setlocal formatprg=dwmon\ validate\ --fix\ -\ 2>/dev/null
endif
