mkdir orders && cd orders && go mod init orders
go build -C ../logtoguard -o "$PWD" ./cmd/logtoguard
./logtoguard dev -audience https://orders.api -scope read:orders &
go mod edit -replace github.com/logtoguard/logtoguard=../logtoguard
cp ../logtoguard/cmd/logtoguard/testdata/orders/main.go . && go mod tidy
export LOGTO_ENDPOINT=http://127.0.0.1:3001 LOGTO_AUDIENCE=https://orders.api
go run . &
token() { LOGTO_PAT=$1 ./logtoguard token -pat - -endpoint $LOGTO_ENDPOINT -resource $LOGTO_AUDIENCE -scope read:orders -accept-fewer-scopes; }
curl -si --retry 30 --retry-delay 1 --retry-connrefused -H "Authorization: Bearer $(token pat_alice)" http://127.0.0.1:8080/orders
curl -si -H "Authorization: Bearer $(token pat_bob)" http://127.0.0.1:8080/orders
