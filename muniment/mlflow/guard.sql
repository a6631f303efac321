-- A second line of defence for MLflow's registry on PostgreSQL 15 or newer.
--
-- Only the role of the MLflow server that runs Muniment's gatekeeper may make the changes that the
-- gatekeeper judges. Any other role of the database (an MLflow without the plugin, a notebook, a
-- script) can read all and change what is not governed. Superusers, who can undo anything, are asked
-- too, so that nobody makes such a change by accident.
--
-- Run it as a superuser, in MLflow's database, once the gatekeeper's role is there:
--
--   psql --single-transaction --set ON_ERROR_STOP=1 --file guard.sql
--
-- Run it again after `mlflow db upgrade`, or after an edit: it brings all to the state that it
-- describes. guard_remove.sql takes it away. docs/protect-mlflow.md has the steps.

-- Edit here: the names, as in MUNIMENT_GOVERNED_MODELS and MUNIMENT_GOVERNED_ALIASES.
CREATE TEMPORARY TABLE asked_for (kind text, name text);
INSERT INTO asked_for VALUES
    ('gatekeeper', 'mlflow_gatekeeper'), -- the role that the guarded MLflow server logs in with
    ('role', 'mlflow'),                  -- the role of everything else; more than one line is fine
    ('model', '*'),                      -- * and ? stand for any letters and for any one
    ('alias', 'champion');

DO $$
DECLARE
    wanted record;
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'This database is not encoded in UTF8, so names cannot be compared.';
    END IF;
    IF to_regclass('public.registered_model_aliases') IS NULL THEN
        RAISE EXCEPTION 'This is not MLflow''s database: it has no table registered_model_aliases.'
            USING HINT = 'Start MLflow on it once, or connect to the right database.';
    END IF;
    FOR wanted IN SELECT * FROM asked_for WHERE kind IN ('gatekeeper', 'role') LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
            RAISE EXCEPTION 'There is no role %.', quote_ident(wanted.name)
                USING HINT = 'Make it first, or correct its name at the top of guard.sql.';
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'muniment_guard') THEN
        CREATE ROLE muniment_guard NOLOGIN;
    END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS muniment_guard AUTHORIZATION muniment_guard;
REVOKE ALL ON SCHEMA muniment_guard FROM PUBLIC;

-- What is governed. A kind without a row governs everything of that kind, but no gatekeeper is nobody.
CREATE TABLE IF NOT EXISTS muniment_guard.governed (
    kind text NOT NULL CHECK (kind IN ('gatekeeper', 'model', 'alias')),
    name text NOT NULL CHECK (name <> '' AND (kind <> 'model' OR name !~ '[][]')),
    PRIMARY KEY (kind, name)
);
DELETE FROM muniment_guard.governed;
INSERT INTO muniment_guard.governed SELECT kind, name FROM asked_for WHERE kind <> 'role';

-- Whose everything was before, for guard_remove.sql.
CREATE TABLE IF NOT EXISTS muniment_guard.former_owner (
    object text PRIMARY KEY, -- as ALTER names it: DATABASE …, TABLE …, ROUTINE …
    role name NOT NULL
);

ALTER TABLE muniment_guard.governed OWNER TO muniment_guard;
ALTER TABLE muniment_guard.former_owner OWNER TO muniment_guard;

-- As muniment/mlflow/names.py folds names, with the letter case that the database knows.
CREATE OR REPLACE FUNCTION muniment_guard.fold(spelled text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT btrim(lower(normalize(lower(normalize(spelled, NFKC)), NFKC)), E' \t\n\r\f\v') $$;

CREATE OR REPLACE FUNCTION muniment_guard.governs(of_kind text, spelled text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT spelled IS NOT NULL AND (
        NOT EXISTS (SELECT FROM muniment_guard.governed WHERE kind = of_kind)
        OR EXISTS (
            SELECT FROM muniment_guard.governed
            WHERE kind = of_kind AND CASE
                WHEN kind = 'model' THEN muniment_guard.fold(spelled) LIKE translate(
                    regexp_replace(muniment_guard.fold(name), '([\\%_])', '\\\1', 'g'), '*?', '%_')
                ELSE muniment_guard.fold(spelled) = muniment_guard.fold(name)
            END
        )
    )
$$;

CREATE OR REPLACE FUNCTION muniment_guard.governs_tag(key text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        starts_with(muniment_guard.fold(key), 'muniment.')
        OR muniment_guard.fold(key) = 'mlflow.prompt.is_prompt', false)
$$;

-- Who asks is the role that logged in (session_user): SET ROLE does not change it, and only a
-- superuser may SET SESSION AUTHORIZATION.
CREATE OR REPLACE FUNCTION muniment_guard.judge() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP IN ('INSERT', 'UPDATE') THEN to_jsonb(NEW) END;
    is_governed boolean;
    part text;
BEGIN
    IF EXISTS (
        SELECT FROM muniment_guard.governed WHERE kind = 'gatekeeper' AND name = session_user
    ) OR was = becomes OR NOT (
        muniment_guard.governs('model', was ->> 'name')
        OR muniment_guard.governs('model', becomes ->> 'name')
    ) THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    CASE TG_TABLE_NAME
        WHEN 'registered_model_aliases' THEN
            part := format('alias %L', coalesce(was, becomes) ->> 'alias');
            is_governed := muniment_guard.governs('alias', was ->> 'alias')
                OR muniment_guard.governs('alias', becomes ->> 'alias');
        WHEN 'registered_model_tags', 'model_version_tags' THEN
            part := format('tag %L', coalesce(was, becomes) ->> 'key');
            is_governed := muniment_guard.governs_tag(was ->> 'key')
                OR muniment_guard.governs_tag(becomes ->> 'key');
        WHEN 'model_versions' THEN
            part := format('version %s', coalesce(was, becomes) ->> 'version');
            -- Registering is free, but not with a stage that nobody granted.
            is_governed := CASE TG_OP
                WHEN 'INSERT' THEN coalesce(becomes ->> 'current_stage', 'None') <> 'None'
                WHEN 'UPDATE' THEN (was - muniment_guard.free_columns())
                    <> (becomes - muniment_guard.free_columns())
                ELSE true
            END;
        WHEN 'registered_models' THEN
            part := 'the name';
            is_governed := CASE TG_OP
                WHEN 'UPDATE' THEN (was - muniment_guard.free_columns())
                    <> (becomes - muniment_guard.free_columns())
                ELSE true
            END;
    END CASE;
    IF is_governed THEN
        RAISE EXCEPTION '% of % of model % is refused to role %: Muniment governs it',
                TG_OP, part, quote_literal(coalesce(was, becomes) ->> 'name'), session_user
            USING ERRCODE = 'insufficient_privilege',
                HINT = 'Ask for a promotion in Muniment; it is carried out by the MLflow server'
                    ' that runs the gatekeeper.';
    END IF;
    RETURN coalesce(NEW, OLD);
END
$$;

-- What MLflow changes of a model or a version without anybody's leave.
CREATE OR REPLACE FUNCTION muniment_guard.free_columns() RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT ARRAY['description', 'last_updated_time', 'status', 'status_message'] $$;

CREATE OR REPLACE FUNCTION muniment_guard.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % is refused: Muniment keeps the history of its models', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'guard_remove.sql takes the guard away.';
END
$$;

DO $$
DECLARE
    item text;
    role_name text;
    thing record;
    -- What came since, by an upgrade as a superuser, is for the database's owner.
    heir name := (SELECT role FROM muniment_guard.former_owner WHERE object LIKE 'DATABASE %');
BEGIN
    FOREACH item IN ARRAY ARRAY['fold(text)', 'governs(text, text)', 'governs_tag(text)', 'judge()',
            'free_columns()', 'refuse_truncate()'] LOOP
        EXECUTE format('ALTER FUNCTION muniment_guard.%s OWNER TO muniment_guard', item);
    END LOOP;

    -- Whoever owns a table can drop its triggers; whoever owns a table that the gatekeeper writes, or
    -- a function that it calls, can have things done with its rights; whoever owns the database can
    -- drop tables.
    FOR thing IN
        SELECT format('DATABASE %I', datname) AS object, datdba AS owner FROM pg_database
            WHERE datname = current_database()
        UNION ALL
        SELECT format('TABLE public.%I', relname), relowner FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
        UNION ALL
        SELECT format('ROUTINE public.%I(%s)', proname, oidvectortypes(proargtypes)),
            proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    LOOP
        CONTINUE WHEN thing.owner = 'muniment_guard'::regrole;
        INSERT INTO muniment_guard.former_owner
            VALUES (thing.object, coalesce(heir, pg_get_userbyid(thing.owner)))
            ON CONFLICT DO NOTHING;
        EXECUTE format('ALTER %s OWNER TO muniment_guard', thing.object);
    END LOOP;
    GRANT USAGE ON SCHEMA public TO muniment_guard;
    FOR role_name IN SELECT name FROM asked_for WHERE kind IN ('gatekeeper', 'role') LOOP
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), role_name);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role_name);
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', role_name);
        EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %I', role_name);
    END LOOP;

    FOREACH item IN ARRAY ARRAY['registered_models', 'model_versions', 'registered_model_aliases',
            'registered_model_tags', 'model_version_tags'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER muniment_guard BEFORE %s ON public.%I'
            ' FOR EACH ROW EXECUTE FUNCTION muniment_guard.judge()',
            CASE item WHEN 'registered_models' THEN 'UPDATE OR DELETE'
                ELSE 'INSERT OR UPDATE OR DELETE' END, item);
        EXECUTE format('CREATE OR REPLACE TRIGGER muniment_guard_truncate BEFORE TRUNCATE'
            ' ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION muniment_guard.refuse_truncate()', item);
        -- ALWAYS: also in a session that calls itself a replica.
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER muniment_guard', item);
        EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER muniment_guard_truncate', item);
    END LOOP;
END
$$;

-- Roles that can get around the guard, and how. Only superusers should be listed.
CREATE OR REPLACE VIEW muniment_guard.ways_around AS
    WITH stranger AS (
        SELECT oid, rolname FROM pg_roles
        WHERE NOT rolsuper AND rolname <> 'muniment_guard' AND rolname !~ '^pg_'
    )
    SELECT rolname AS role, 'is a superuser' AS because FROM pg_roles WHERE rolsuper
    UNION
    SELECT stranger.rolname, 'may become ' || other.rolname
        FROM stranger JOIN pg_roles AS other ON pg_has_role(stranger.oid, other.oid, 'MEMBER')
        WHERE other.rolsuper OR other.rolname IN
            ('muniment_guard', 'pg_execute_server_program', 'pg_write_server_files')
    UNION
    SELECT rolname, 'makes roles, and may give itself others' FROM pg_roles
        WHERE rolcreaterole AND NOT rolsuper
    UNION
    SELECT stranger.rolname, 'owns ' || thing.name FROM stranger JOIN (
            SELECT relowner AS owner, relnamespace AS place, oid::regclass::text AS name FROM pg_class
            UNION ALL SELECT proowner, pronamespace, oid::regprocedure::text FROM pg_proc
            UNION ALL SELECT oprowner, oprnamespace, oid::regoperator::text FROM pg_operator
            UNION ALL SELECT nspowner, oid, 'schema ' || nspname FROM pg_namespace
        ) AS thing ON thing.owner = stranger.oid
        WHERE NOT pg_is_other_temp_schema(thing.place) AND thing.place <> pg_my_temp_schema()
    UNION
    SELECT rolname, 'may create in schema public' FROM stranger
        WHERE has_schema_privilege(oid, 'public', 'CREATE')
            AND has_database_privilege(oid, current_database(), 'CONNECT')
    UNION
    SELECT rolname, 'may create schemas' FROM stranger
        WHERE has_database_privilege(oid, current_database(), 'CREATE')
    UNION
    SELECT rolname, 'may put triggers on ' || pg_class.oid::regclass::text FROM stranger, pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
            AND has_table_privilege(stranger.oid, pg_class.oid, 'TRIGGER');
ALTER VIEW muniment_guard.ways_around OWNER TO muniment_guard;

DROP TABLE asked_for;
