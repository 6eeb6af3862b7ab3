start_reducer
start h0.log horse_rider horse 0
start h1.log horse_rider horse 1
start r0.log horse_rider rider 0 --whips 300
r0=$started
start r1.log horse_rider rider 1 --whips 300
wait "$r0"
echo "[$?]"
wait "$started"
echo "[$?]"
packhorse jobs | cut -c1-75 | sort
tail -n 1 r0.log | cut -d, -f1
