package checks

import (
	"database/sql"
	"net/url"
	"testing"
	"time"

	_ "github.com/apache/arrow-go/v18/arrow/flight/flightsql/driver"
)

// database is Go's own database/sql on the Flight SQL driver.
func database(t *testing.T) *sql.DB {
	t.Helper()
	place := url.URL{
		Scheme: "flightsql", Host: address(), User: url.UserPassword("root", password()), RawQuery: "timeout=30s",
	}
	opened, err := sql.Open("flightsql", place.String())
	must(t, err)
	t.Cleanup(func() { opened.Close() })
	return opened
}

func TestDatabaseSqlRunsQueriesAndChanges(t *testing.T) {
	db := database(t)
	_, err := db.Exec("CREATE OR REPLACE TABLE go_database (id BIGINT, name VARCHAR, at TIMESTAMP)")
	must(t, err)
	result, err := db.Exec("INSERT INTO go_database VALUES (?, ?, TIMESTAMP '2024-02-29 12:00:00')", 1, "ice")
	must(t, err)
	count, err := result.RowsAffected()
	must(t, err)
	equal(t, 1, count, "rows inserted")
	var id int64
	var name string
	var at time.Time
	must(t, db.QueryRow("SELECT id, name, at FROM go_database WHERE id = ?", 1).Scan(&id, &name, &at))
	equal(t, "ice", name, "name")
	equal(t, 12, at.UTC().Hour(), "hour")
}

func TestDatabaseSqlRollsBack(t *testing.T) {
	db := database(t)
	_, err := db.Exec("CREATE OR REPLACE TABLE go_rolled (n BIGINT)")
	must(t, err)
	transaction, err := db.Begin()
	must(t, err)
	_, err = transaction.Exec("INSERT INTO go_rolled VALUES (1)")
	must(t, err)
	must(t, transaction.Rollback())
	var count int64
	must(t, db.QueryRow("SELECT count(*) AS c FROM go_rolled").Scan(&count))
	equal(t, 0, count, "rows")
}

func TestDatabaseSqlsPoolSeesWhatOthersCommitted(t *testing.T) {
	const connections, checkOuts = 5, 200
	pool, writer := database(t), database(t)
	pool.SetMaxOpenConns(connections)
	_, err := writer.Exec("CREATE OR REPLACE TABLE go_pooled (n BIGINT)")
	must(t, err)
	for written := 1; written <= checkOuts; written++ {
		_, err := writer.Exec("INSERT INTO go_pooled VALUES (1)")
		must(t, err)
		transaction, err := pool.Begin()
		must(t, err)
		var count int64
		must(t, transaction.QueryRow("SELECT count(*) AS c FROM go_pooled").Scan(&count))
		equal(t, int64(written), count, "rows")
		must(t, transaction.Rollback())
	}
}

func TestDatabaseSqlRunsTransactionsOfOnePoolSideBySide(t *testing.T) {
	db := database(t)
	_, err := db.Exec("CREATE OR REPLACE TABLE go_beside (n BIGINT)")
	must(t, err)
	first, err := db.Begin()
	must(t, err)
	second, err := db.Begin()
	must(t, err)
	_, err = first.Exec("INSERT INTO go_beside VALUES (1)")
	must(t, err)
	_, err = second.Exec("INSERT INTO go_beside VALUES (2)")
	must(t, err)
	must(t, first.Commit())
	must(t, second.Rollback())
	var sum int64
	must(t, db.QueryRow("SELECT sum(n) AS s FROM go_beside").Scan(&sum))
	equal(t, int64(1), sum, "what was committed")
}
