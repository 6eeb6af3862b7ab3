hostile t
run packhorse sha1 t
packhorse sha1 t -q >report
same report t
