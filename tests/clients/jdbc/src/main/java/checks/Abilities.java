package checks;

import static checks.Expect.equal;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;

/** What tools ask about the server before they write SQL for it. */
final class Abilities {
  private final Server server;

  Abilities(Server server) {
    this.server = server;
  }

  /** What is asked of a connection's metadata. */
  private interface Question {
    void ask(DatabaseMetaData of) throws SQLException;
  }

  private void asked(Question question) throws SQLException {
    try (Connection connection = server.connect()) {
      question.ask(connection.getMetaData());
    }
  }

  @Check
  void theProductTellsItsName() throws Exception {
    asked(of -> {
      equal("Frostline", of.getDatabaseProductName(), "product");
      that(!of.getDatabaseProductVersion().isEmpty(), "product version");
      that(of.getURL().contains(server.address()), "URL " + of.getURL());
      equal(server.user(), of.getUserName(), "user");
      that(!of.isReadOnly(), "read only");
      that(!of.getDriverName().isEmpty(), "driver name");
    });
  }

  @Check
  void namesAreQuotedAsWeDo() throws Exception {
    asked(of -> {
      equal("\"", of.getIdentifierQuoteString(), "quote");
      equal("\\", of.getSearchStringEscape(), "search escape");
      equal("", of.getExtraNameCharacters(), "extra characters");
      that(!of.supportsMixedCaseIdentifiers(), "mixed case unquoted");
      that(of.supportsMixedCaseQuotedIdentifiers(), "mixed case quoted");
      equal(64, of.getMaxTableNameLength(), "length of table names");
    });
  }

  @Check
  void termsAreCatalogAndSchema() throws Exception {
    asked(of -> {
      equal("catalog", of.getCatalogTerm(), "catalog term");
      equal("schema", of.getSchemaTerm(), "schema term");
      equal("procedure", of.getProcedureTerm(), "procedure term");
      equal(".", of.getCatalogSeparator(), "separator");
      that(of.isCatalogAtStart(), "catalog at start");
    });
  }

  @Check
  void namesMayHaveCatalogAndSchemaWhereverTheDriverSaysSo() throws Exception {
    try (Connection connection = server.connect()) {
      DatabaseMetaData of = connection.getMetaData();
      Server.run(connection, "CREATE NAMESPACE IF NOT EXISTS full_names");
      String prefix = "";
      if (of.supportsSchemasInDataManipulation() && of.supportsSchemasInTableDefinitions()) {
        prefix = "\"full_names\".";
      }
      if (of.supportsCatalogsInDataManipulation() && of.supportsCatalogsInTableDefinitions()) {
        prefix = "\"frostline\"." + prefix;
      }
      Server.run(connection, "DROP TABLE IF EXISTS " + prefix + "\"full\"");
      Server.run(connection, "CREATE TABLE " + prefix + "\"full\" (n INTEGER)");
      equal(List.of(0L), Server.column(connection, "SELECT count(*) FROM " + prefix + "\"full\""), "rows");
      of.supportsSchemasInIndexDefinitions();
      of.supportsSchemasInPrivilegeDefinitions();
      of.supportsSchemasInProcedureCalls();
      of.supportsCatalogsInIndexDefinitions();
      of.supportsCatalogsInPrivilegeDefinitions();
      of.supportsCatalogsInProcedureCalls();
    }
  }

  @Check
  void keywordsAndFunctionsAreListed() throws Exception {
    asked(of -> {
      that(of.getSQLKeywords().contains("MERGE"), "keywords " + of.getSQLKeywords());
      that(of.getNumericFunctions().contains("sqrt"), "numeric functions " + of.getNumericFunctions());
      that(of.getStringFunctions().contains("lower"), "text functions " + of.getStringFunctions());
      that(of.getSystemFunctions().contains("coalesce"), "system functions " + of.getSystemFunctions());
      that(of.getTimeDateFunctions().contains("now"), "time functions " + of.getTimeDateFunctions());
    });
  }

  @Check
  void transactionsAreAsSnapshotIsolationGivesThem() throws Exception {
    asked(of -> {
      that(of.supportsTransactions(), "transactions");
      that(of.supportsTransactionIsolationLevel(Connection.TRANSACTION_REPEATABLE_READ), "repeatable read");
      equal(3, of.getDefaultTransactionIsolation(), "the protocol's number for it");
      that(!of.dataDefinitionCausesTransactionCommit(), "DDL commits");
      that(!of.dataDefinitionIgnoredInTransactions(), "DDL is ignored");
      that(of.supportsBatchUpdates(), "batch updates");
      that(!of.supportsNamedParameters(), "named parameters");
      of.supportsMultipleOpenResults();
    });
  }

  @Check
  void theLanguageIsDescribed() throws Exception {
    asked(of -> {
      that(of.supportsSubqueriesInComparisons(), "subqueries in comparisons");
      that(of.supportsSubqueriesInExists(), "in EXISTS");
      that(of.supportsSubqueriesInIns(), "in IN");
      that(!of.supportsSubqueriesInQuantifieds(), "in quantified predicates");
      that(of.supportsCorrelatedSubqueries(), "correlated subqueries");
      that(of.supportsUnion(), "UNION");
      that(of.supportsUnionAll(), "UNION ALL");
      that(of.supportsGroupBy(), "GROUP BY");
      that(of.supportsGroupByUnrelated(), "GROUP BY unrelated");
      that(of.supportsOrderByUnrelated(), "ORDER BY unrelated");
      that(of.supportsExpressionsInOrderBy(), "expressions in ORDER BY");
      that(of.supportsLikeEscapeClause(), "LIKE ESCAPE");
      that(of.supportsOuterJoins(), "outer joins");
      that(of.supportsLimitedOuterJoins(), "limited outer joins");
      that(of.supportsColumnAliasing(), "AS");
      that(of.supportsTableCorrelationNames(), "table aliases");
      that(of.supportsNonNullableColumns(), "NOT NULL");
      that(of.nullPlusNonNullIsNull(), "NULL + 1");
      that(!of.nullsAreSortedLow(), "NULLs sort low");
      that(of.supportsANSI92EntryLevelSQL(), "ANSI92 entry level");
      that(of.supportsMinimumSQLGrammar(), "minimum grammar");
      that(of.supportsCoreSQLGrammar(), "core grammar");
      that(of.supportsConvert(java.sql.Types.INTEGER, java.sql.Types.VARCHAR), "INTEGER to VARCHAR");
      that(!of.supportsSelectForUpdate(), "SELECT FOR UPDATE");
      that(!of.supportsStoredProcedures(), "stored procedures");
      that(!of.supportsIntegrityEnhancementFacility(), "foreign keys");
      that(of.supportsResultSetType(ResultSet.TYPE_FORWARD_ONLY), "forward-only results");
    });
  }

  @Check
  void limitsAreNumbers() throws Exception {
    asked(of -> {
      equal(64, of.getMaxSchemaNameLength(), "schema names");
      equal(255, of.getMaxColumnNameLength(), "column names");
      equal(64, of.getMaxCatalogNameLength(), "catalog names");
      that(of.getMaxStatementLength() > 0, "statements");
      equal(0, of.getMaxColumnsInTable(), "columns of a table");
      equal(0, of.getMaxConnections(), "connections");
      equal(0, of.getMaxRowSize(), "row size");
    });
  }
}
