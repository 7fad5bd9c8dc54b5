// Package checks runs Apache Arrow's Flight SQL client for Go against a running server, at FROSTLINE_ADDRESS with
// FROSTLINE_PASSWORD. tests/clients/go/test_go.py starts the server and the tests.
package checks

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

func address() string { return os.Getenv("FROSTLINE_ADDRESS") }

func password() string { return os.Getenv("FROSTLINE_PASSWORD") }

// connected is a client that has logged in, and the context that carries its token.
func connected(t *testing.T) (*flightsql.Client, context.Context) {
	t.Helper()
	client, err := flightsql.NewClient(address(), nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { client.Close() })
	ctx, err := client.Client.AuthenticateBasicToken(t.Context(), "root", password())
	must(t, err)
	return client, ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, wanted, found T, what string) {
	t.Helper()
	if wanted != found {
		t.Fatalf("%s: wanted %v, found %v", what, wanted, found)
	}
}

// fetched is what the one endpoint of info gives, a batch after the other.
func fetched(t *testing.T, client *flightsql.Client, ctx context.Context, info *flight.FlightInfo) []arrow.RecordBatch {
	t.Helper()
	equal(t, 1, len(info.Endpoint), "endpoints")
	reader, err := client.DoGet(ctx, info.Endpoint[0].Ticket)
	must(t, err)
	defer reader.Release()
	var batches []arrow.RecordBatch
	for reader.Next() {
		batch := reader.RecordBatch()
		batch.Retain()
		batches = append(batches, batch)
	}
	must(t, reader.Err())
	return batches
}

func texts(batches []arrow.RecordBatch, column int) []string {
	var values []string
	for _, batch := range batches {
		for row := range int(batch.NumRows()) {
			values = append(values, batch.Column(column).ValueStr(row))
		}
	}
	return values
}

func numbers(values ...int64) arrow.RecordBatch {
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	builder.AppendValues(values, nil)
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	return array.NewRecordBatch(schema, []arrow.Array{builder.NewArray()}, int64(len(values)))
}

func TestAQueryGivesItsRowsAndItsSchemaBeforehand(t *testing.T) {
	client, ctx := connected(t)
	info, err := client.Execute(ctx, "SELECT value AS n, 'x' AS t FROM generate_series(1, 100000)")
	must(t, err)
	schema, err := flight.DeserializeSchema(info.Schema, memory.DefaultAllocator)
	must(t, err)
	equal(t, "n", schema.Field(0).Name, "first column")
	name, _ := schema.Field(0).Metadata.GetValue("ARROW:FLIGHT:SQL:TYPE_NAME")
	equal(t, "BIGINT", name, "SQL type of the first column")
	equal(t, 100_000, len(texts(fetched(t, client, ctx, info), 0)), "rows")
}

func TestUpdatesAreCounted(t *testing.T) {
	client, ctx := connected(t)
	_, err := client.ExecuteUpdate(ctx, "CREATE OR REPLACE TABLE go_updates (n BIGINT)")
	must(t, err)
	count, err := client.ExecuteUpdate(ctx, "INSERT INTO go_updates VALUES (1), (2), (3)")
	must(t, err)
	equal(t, 3, count, "rows inserted")
}

func TestPreparedStatementsAreBoundAndRunAgain(t *testing.T) {
	client, ctx := connected(t)
	_, err := client.ExecuteUpdate(ctx, "CREATE OR REPLACE TABLE go_prepared (n BIGINT)")
	must(t, err)
	insert, err := client.Prepare(ctx, "INSERT INTO go_prepared VALUES (?)")
	must(t, err)
	defer insert.Close(ctx)
	isUpdate, known := insert.IsUpdate()
	equal(t, true, isUpdate && known, "is an update")
	insert.SetParameters(numbers(1, 2, 3))
	count, err := insert.ExecuteUpdate(ctx)
	must(t, err)
	equal(t, 3, count, "rows inserted")
	find, err := client.Prepare(ctx, "SELECT count(*) AS c FROM go_prepared WHERE n > ?")
	must(t, err)
	defer find.Close(ctx)
	for limit, wanted := range []string{"3", "2", "1", "0"} {
		find.SetParameters(numbers(int64(limit)))
		info, err := find.Execute(ctx)
		must(t, err)
		equal(t, wanted, texts(fetched(t, client, ctx, info), 0)[0], "rows found")
	}
}

func TestALoadIsStoredWhole(t *testing.T) {
	client, ctx := connected(t)
	batches := []arrow.RecordBatch{numbers(1, 2), numbers(3)}
	reader, err := array.NewRecordReader(batches[0].Schema(), batches)
	must(t, err)
	stored, err := client.ExecuteIngest(ctx, reader, &flightsql.ExecuteIngestOpts{
		Table: "go_loaded",
		TableDefinitionOptions: &flightsql.TableDefinitionOptions{
			IfNotExist: flightsql.TableDefinitionOptionsTableNotExistOptionCreate,
			IfExists:   flightsql.TableDefinitionOptionsTableExistsOptionReplace,
		},
	})
	must(t, err)
	equal(t, 3, stored, "rows stored")
}

func TestTransactionsAreCommittedAndRolledBack(t *testing.T) {
	client, ctx := connected(t)
	_, err := client.ExecuteUpdate(ctx, "CREATE OR REPLACE TABLE go_transactions (n BIGINT)")
	must(t, err)
	for _, commit := range []bool{false, true} {
		transaction, err := client.BeginTransaction(ctx)
		must(t, err)
		_, err = transaction.ExecuteUpdate(ctx, "INSERT INTO go_transactions VALUES (1)")
		must(t, err)
		if commit {
			must(t, transaction.Commit(ctx))
		} else {
			must(t, transaction.Rollback(ctx))
		}
	}
	info, err := client.Execute(ctx, "SELECT count(*) AS c FROM go_transactions")
	must(t, err)
	equal(t, "1", texts(fetched(t, client, ctx, info), 0)[0], "rows")
}

func TestMetadataIsListed(t *testing.T) {
	client, ctx := connected(t)
	_, err := client.ExecuteUpdate(ctx, "CREATE OR REPLACE TABLE go_listed (n BIGINT PRIMARY KEY)")
	must(t, err)
	pattern := "go\\_listed"
	info, err := client.GetTables(ctx, &flightsql.GetTablesOpts{TableNameFilterPattern: &pattern, IncludeSchema: true})
	must(t, err)
	equal(t, "go_listed", strings.Join(texts(fetched(t, client, ctx, info), 2), " "), "tables")
	info, err = client.GetPrimaryKeys(ctx, flightsql.TableRef{Table: "go_listed"})
	must(t, err)
	equal(t, "n", strings.Join(texts(fetched(t, client, ctx, info), 3), " "), "key columns")
	info, err = client.GetDBSchemas(ctx, &flightsql.GetDBSchemasOpts{})
	must(t, err)
	equal(t, true, slices.Contains(texts(fetched(t, client, ctx, info), 1), "public"), "public is listed")
	info, err = client.GetSqlInfo(ctx, []flightsql.SqlInfo{flightsql.SqlInfoFlightSqlServerName})
	must(t, err)
	equal(t, 1, len(fetched(t, client, ctx, info)), "batches of information")
	info, err = client.GetXdbcTypeInfo(ctx, nil)
	must(t, err)
	equal(t, true, slices.Contains(texts(fetched(t, client, ctx, info), 0), "DECIMAL"), "DECIMAL is listed")
}

func TestSessionOptionsAreSetAndRead(t *testing.T) {
	client, ctx := connected(t)
	values, err := flight.NewSessionOptionValues(map[string]any{"schema": "system", "colour": "blue"})
	must(t, err)
	set, err := client.SetSessionOptions(ctx, &flight.SetSessionOptionsRequest{SessionOptions: values})
	must(t, err)
	equal(t, 1, len(set.Errors), "options refused")
	options, err := client.GetSessionOptions(ctx, &flight.GetSessionOptionsRequest{})
	must(t, err)
	equal(t, "system", options.SessionOptions["schema"].GetStringValue(), "schema")
	_, err = client.CloseSession(ctx, &flight.CloseSessionRequest{})
	must(t, err)
	_, err = client.Execute(ctx, "SELECT 1")
	equal(t, codes.Unauthenticated, status.Code(err), "status after the end of the session")
}

func TestARunningQueryIsCancelled(t *testing.T) {
	client, ctx := connected(t)
	info, err := client.Execute(ctx, "SELECT value FROM generate_series(1, 1000000000)")
	must(t, err)
	reader, err := client.DoGet(ctx, info.Endpoint[0].Ticket)
	must(t, err)
	defer reader.Release()
	equal(t, true, reader.Next(), "a first batch")
	result, err := client.CancelFlightInfo(ctx, &flight.CancelFlightInfoRequest{Info: info})
	must(t, err)
	equal(t, flight.CancelStatusCancelled, result.Status, "status")
	for reader.Next() {
	}
	equal(t, codes.Canceled, status.Code(reader.Err()), "how the stream ends")
}

func TestErrorsAreOneCleanSentence(t *testing.T) {
	client, ctx := connected(t)
	_, err := client.Execute(ctx, "SELECT * FROM nowhere")
	equal(t, codes.NotFound, status.Code(err), "status")
	message := status.Convert(err).Message()
	equal(t, "[42P01] table 'public.nowhere' does not exist", message, "message")
	_, err = client.Client.AuthenticateBasicToken(t.Context(), "root", "wrong")
	equal(t, codes.Unauthenticated, status.Code(err), "status of a wrong password")
}
