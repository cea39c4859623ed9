" dwmon checker files: SQL in QUERY, JSON in EXTRA, YAML in OPTIONS.
if exists('b:current_syntax')
  finish
endif

syntax include @dwmonSQL syntax/sql.vim
unlet! b:current_syntax
syntax include @dwmonJSON syntax/json.vim
unlet! b:current_syntax
syntax include @dwmonYAML syntax/yaml.vim
unlet! b:current_syntax

syntax case match

" A section ends where the next marker stands, whatever is open within it.
syntax region dwmonQuery matchgroup=dwmonMarker start=/^\s*__QUERY__\s*$/ end=/^\ze\s*__\%(REQUIREMENTS\|SOURCE\|EXTRA\|OPTIONS\)__\s*$/ contains=@dwmonSQL keepend
syntax region dwmonExtra matchgroup=dwmonMarker start=/^\s*__EXTRA__\s*$/ end=/^\ze\s*__\%(QUERY\|REQUIREMENTS\|SOURCE\|OPTIONS\)__\s*$/ contains=@dwmonJSON keepend
syntax region dwmonOptions matchgroup=dwmonMarker start=/^\s*__OPTIONS__\s*$/ end=/^\ze\s*__\%(QUERY\|REQUIREMENTS\|SOURCE\|EXTRA\)__\s*$/ contains=@dwmonYAML keepend
syntax region dwmonSource matchgroup=dwmonMarker start=/^\s*__SOURCE__\s*$/ end=/^\ze\s*__\%(QUERY\|REQUIREMENTS\|EXTRA\|OPTIONS\)__\s*$/ contains=dwmonSourceName keepend
syntax region dwmonRequirements matchgroup=dwmonMarker start=/^\s*__REQUIREMENTS__\s*$/ end=/^\ze\s*__\%(QUERY\|SOURCE\|EXTRA\|OPTIONS\)__\s*$/ contains=dwmonComment,dwmonWrong,dwmonToken,dwmonFlag keepend

syntax match dwmonComment /^\s*#.*$/
syntax match dwmonSourceName /\S.*/ contained
syntax match dwmonWrong /\S\+/ contained
syntax match dwmonToken /\S\@<!\%(CHECKHOURS\|CHECKMINUTES\|CHECKDAYS\|MINNUM\|MAXNUM\|LOOKBACKSECONDS\)\ze[0-9*MTWFS][0-9A-Z*\/,-]*\%(\s\|$\)/ contained nextgroup=dwmonValue
syntax match dwmonValue /[0-9A-Z*\/,-]\+/ contained
syntax match dwmonFlag /\S\@<!\%(WEEKDAYS\|WEEKENDS\|HALFOPEN\)\S\@!/ contained

highlight default link dwmonMarker PreProc
highlight default link dwmonComment Comment
highlight default link dwmonToken Keyword
highlight default link dwmonFlag Keyword
highlight default link dwmonValue Number
highlight default link dwmonSourceName String
highlight default link dwmonWrong Error

let b:current_syntax = 'dwmon'
