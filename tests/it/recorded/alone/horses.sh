horse_rider launch --whips 1000 | grep -o '.* steps, distance [0-9]*'
horse_rider launch --whips 50 --riders 3 --horses 1 | grep -o '.* steps, distance [0-9]*'
horse_rider launch --whips 10 2>&1 | grep -o 'rider . .* distance is' | sort
run horse_rider launch --riders 0
run horse_rider rider 0
