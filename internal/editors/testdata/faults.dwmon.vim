filetype dwmon
|dwmonComment:# before
|:stray text
|dwmonMarker:__QUERY__
|embedded:SELECT 'never closed, /* nor this
|dwmonMarker:__REQUIREMENTS__
|dwmonRequirements:	|dwmonToken:CHECKHOURS|dwmonValue:*/4,9-17|dwmonRequirements: |dwmonToken:CHECKMINUTES|dwmonValue:0,30|dwmonRequirements: |dwmonToken:CHECKDAYS|dwmonValue:MON,WED-FRI|dwmonRequirements: |dwmonToken:MINNUM|dwmonValue:007|dwmonRequirements: |dwmonFlag:HALFOPEN
|dwmonWrong:CHECKHORS0|dwmonRequirements: |dwmonWrong:MINNUM|dwmonRequirements: |dwmonWrong:MAXNUM5x|dwmonRequirements: |dwmonWrong:weekdays|dwmonRequirements: |dwmonWrong:#|dwmonRequirements: |dwmonWrong:no|dwmonRequirements: |dwmonWrong:comment|dwmonRequirements: |dwmonWrong:here
|dwmonComment:  # a comment
|dwmonMarker:__EXTRA__
|embedded:{"open": [1, "x
|dwmonMarker:__OPTIONS__
|embedded:description: |
|embedded:  __SOURCES__
|dwmonMarker:  __SOURCE__
|dwmonSourceName:__SOURCE__
|dwmonSourceName:postgres://u:p@h/db
