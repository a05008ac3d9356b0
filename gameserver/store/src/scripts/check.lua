-- Says that the caller is the owner: the others were answered already.
own()
return {'mine'}
