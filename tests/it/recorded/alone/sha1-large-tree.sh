files t 12000
packhorse sha1 t >report 2>receipt
echo "[$?]"
same report t
cat receipt
